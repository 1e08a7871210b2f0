"""A stream's messages as JSON: what clients say, checked by field, and what they are told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import orjson

from service.api.call import Call
from service.api.json_body import parsed_object
from service.api.predict import FIELDS, prediction_request
from service.api.sessions import opening_terms, whole_number
from service.domain.inference import InferRequest, InferResult
from service.domain.tensors import Array, Datatype
from service.errors import InvalidRequest
from service.repository.served_model import ServedModel
from service.sessions.hold import Hold

_TERMS = frozenset({"rows", "idle_s", "ttl_s"})
_OPEN = _TERMS | {"session", "resumable", "resume"}
_STEP = FIELDS - {"include_outputs"}
_OF_KIND = {"open": _OPEN, "step": _STEP | {"step"}, "close": frozenset[str]()}
_ALL = frozenset({"type"}).union(*_OF_KIND.values())
_TEXTS = frozenset({"session", "resume"})


@dataclass(frozen=True, slots=True)
class Opening:
    """The session that a stream is to have: a fresh one, or with a `token` the one that it left."""

    session: str | None
    rows: int = 1
    idle_s: float | None = None
    ttl_s: float | None = None
    is_resumable: bool = False
    token: str | None = None


class AskedStep(NamedTuple):
    """What a step asks: `number` is None for the next; `is_binary` says how it is to be answered."""

    request: InferRequest
    number: int | None
    is_binary: bool


def parsed_message(text: str) -> dict[str, Any]:
    """A message that is known, with no fields but its own; raises InvalidRequest."""
    message = parsed_object(text.encode(), _ALL)
    kind = message.get("type")
    own = _OF_KIND.get(kind) if isinstance(kind, str) else None
    if own is None:
        raise InvalidRequest("type: expected open, step or close")
    if foreign := message.keys() - own - {"type"}:
        raise InvalidRequest(f"{min(foreign)}: does not belong to {kind}")
    return message


def opening_of_message(text: str | None, max_rows: int) -> Opening:
    """What a stream's first message asks, None for a binary one; raises InvalidRequest."""
    message = {"type": "step"} if text is None else parsed_message(text)
    if message["type"] != "open":
        raise InvalidRequest("type: expected open, before anything else")
    return _opening(message, max_rows)


def opening_of_query(query: bytes, max_rows: int) -> Opening | None:
    """The same written behind the path, None where nothing is; raises InvalidRequest."""
    if not query:
        return None
    fields: dict[str, Any] = {}
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name not in _OPEN or name in fields:
            raise InvalidRequest(
                f"{name[:32]}: is unknown or there twice, known are {', '.join(sorted(_OPEN))}"
            )
        fields[name] = value if name in _TEXTS else _plain(value)
    return _opening(fields, max_rows)


def _opening(message: dict[str, Any], max_rows: int) -> Opening:
    terms = {name: message[name] for name in _TERMS & message.keys()} | {"id": message.get("session")}
    identity, rows, idle_s, ttl_s = opening_terms(terms, max_rows, id_field="session")
    is_resumable, token = message.get("resumable", False), message.get("resume")
    if not isinstance(is_resumable, bool):
        raise InvalidRequest("resumable: expected true or false")
    if token is None:
        return Opening(identity, rows, idle_s, ttl_s, is_resumable)
    if not isinstance(token, str) or identity is None or _TERMS & message.keys():
        raise InvalidRequest("resume: expected the token of the session that is named, and no other terms")
    return Opening(identity, token=token)


def step_of(message: dict[str, Any], model: ServedModel) -> AskedStep:
    """Raises InvalidRequest naming the field."""
    number = whole_number(message, "step", None)
    body = {name: message[name] for name in _STEP & message.keys()}
    call = Call(model.manifest.name, None, {}, b"", _never)
    request, _ = prediction_request(call, body, model)
    return AskedStep(request._replace(is_abandoned=None), number, is_binary=False)


def opened(model: ServedModel, hold: Hold, token: str | None, stream_credits: int) -> str:
    """What a client is told of its stream; `token` brings it back to its session."""
    session, signature = hold.session, model.signature
    told: dict[str, Any] = {
        "type": "opened",
        "session": session.id,
        "rows": session.rows,
        "step": session.step,
        "idle_s": session.idle_s,
        "ttl_s": round(hold.sessions.lasts_s(session), 3),
        "credits": stream_credits,
        "model": model.manifest.name,
        "version": model.manifest.version,
        "input": _input(model),
        "output": {
            "datatype": Datatype.FP32,
            "shape": signature.output_shape,
            "every_step": signature.has_step_outputs,
        },
    }
    return _text(told if token is None else told | {"token": token})


def _input(model: ServedModel) -> dict[str, Any]:
    signature, symbols = model.signature, model.manifest.step.symbols
    told = {"datatype": signature.step_datatype, "shape": signature.step_shape}
    return told | {"symbols": symbols} if symbols else told


def output(result: InferResult) -> str:
    timings = result.timings
    return _text(
        {
            "type": "output",
            "step": result.step,
            "device": result.device,
            "degraded": result.is_degraded,
            "timings_ms": {
                "queue": round(timings.queue_s * 1e3, 3),
                "batch": round(timings.batch_s * 1e3, 3),
                "compute": round(timings.compute_s * 1e3, 3),
            },
            "outputs": [_listed(output) for output in result.outputs],
        }
    )


def error(
    reason: str, status: int, message: str, step: int | None, retry_after_ms: int | None, *, is_final: bool
) -> str:
    told = {"type": "error", "code": reason, "status": status, "message": message, "final": is_final}
    further = {"step": step, "retry_after_ms": retry_after_ms}
    return _text(told | {name: value for name, value in further.items() if value is not None})


def closed(reason: str) -> str:
    return _text({"type": "closed", "reason": reason})


def _listed(output: Array) -> Any:
    return output.tolist()


def _text(told: dict[str, Any]) -> str:
    return orjson.dumps(told).decode()


def _plain(value: str) -> Any:
    """A number or true or false; anything else stays text, for the check of its field to refuse."""
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value


def _never() -> bool:
    return False
