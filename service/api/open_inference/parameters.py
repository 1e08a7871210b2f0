"""A request's `id` and `parameters`, as plain values: what is read, what is ignored, what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from service.api.json_body import positive_number
from service.domain.inference import InferResult, StreamStep
from service.domain.priority import DEFAULT, LOWEST
from service.errors import InvalidRequest
from service.sessions.session import LONGEST_ID

MICROSECOND = 1e-6
_MOST_ID_CHARACTERS = 1024


class Terms(NamedTuple):
    """How long a request may take, None where it does not say, and how urgent it is."""

    timeout_s: float | None = None
    priority: int = DEFAULT
    stream: StreamStep | None = None


_NO_TERMS = Terms()


def request_terms(parameters: Mapping[str, Any]) -> Terms:
    """Terms from `timeout` in microseconds, `priority` and `sequence_…`; custom parameters are ignored."""
    if not parameters:
        return _NO_TERMS
    return Terms(
        _timeout_s(parameters.get("timeout")), _priority(parameters.get("priority")), _stream(parameters)
    )


def checked_id(identity: Any) -> str:
    """The request's id, empty where it has none."""
    if identity is None:
        return ""
    if not isinstance(identity, str) or len(identity) > _MOST_ID_CHARACTERS:
        raise InvalidRequest(f"id: expected a string of at most {_MOST_ID_CHARACTERS} characters")
    return identity


def answer_parameters(result: InferResult) -> dict[str, Any]:
    """Who answered, and where the time went."""
    timings = result.timings
    return {
        "device": result.device,
        "degraded": result.is_degraded,
        "queue_us": round(timings.queue_s / MICROSECOND),
        "batch_us": round(timings.batch_s / MICROSECOND),
        "compute_us": round(timings.compute_s / MICROSECOND),
    }


def _timeout_s(timeout: Any) -> float | None:
    # Zero is the protocol's way to say none.
    if timeout is None or (timeout == 0 and timeout is not False):
        return None
    return positive_number(timeout, "parameters.timeout") * MICROSECOND


def _priority(priority: Any) -> int:
    """1 goes first; 0 is the protocol's way to say none, and above 9 there is nothing less urgent."""
    if priority is None:
        return DEFAULT
    if type(priority) is not int or priority < 0:
        raise InvalidRequest("parameters.priority: expected a whole number, 0 or more")
    return min(priority, LOWEST) or DEFAULT


def _stream(parameters: Mapping[str, Any]) -> StreamStep | None:
    """The session of `sequence_id`, a string or a number; 0 and "" are the protocol's way to say none."""
    given = parameters.get("sequence_id")
    starts, ends = (_flag(parameters, name) for name in ("sequence_start", "sequence_end"))
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, str | int) or len(str(given)) > LONGEST_ID:
        raise InvalidRequest(
            f"parameters.sequence_id: expected a whole number or at most {LONGEST_ID} characters"
        )
    return StreamStep(str(given), None, starts, ends) if given else None


def _flag(parameters: Mapping[str, Any], name: str) -> bool:
    value = parameters.get(name, False)
    if not isinstance(value, bool):
        raise InvalidRequest(f"parameters.{name}: expected true or false")
    return value
