"""Sessions over REST: open, step, look, close."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from service.api.call import Call, check_media_type, departure_check
from service.api.json_body import parsed_object, positive_number
from service.api.predict import FIELDS, prediction_request, worded
from service.api.sessions_openapi import DELETED, FOUND, OPENED, STEPPED, STEPS, opens
from service.domain.inference import InferResult, StreamStep
from service.domain.sequences import checked_sequence, named
from service.domain.signature import Signature
from service.domain.tensors import Array
from service.errors import InvalidRequest
from service.predictor import Predictor
from service.sessions.session import LONGEST_ID, Session, check_path_can_name
from service.sessions.sessions import Sessions

_OPENING = frozenset({"id", "rows", "idle_s", "ttl_s"})
_JSON = (b"application/json",)


def session_routes(predictor: Predictor, max_rows: int) -> APIRouter:
    """/v2/models/{model}/sessions and below."""
    router = APIRouter(prefix="/v2/models/{model}/sessions", tags=["Sessions"])

    @router.post(
        "", summary="Open a session", status_code=201, responses=OPENED, openapi_extra=opens(max_rows)
    )
    async def opened(model: str, request: Request) -> Response:
        session_id, rows, idle_s, ttl_s = opening_terms(await _body(request, _OPENING), max_rows)
        if session_id is not None:
            check_path_can_name(session_id, "id")
        sessions = await predictor.sessions_for(model, session_id)
        session = sessions.open(session_id, rows, idle_s, ttl_s)
        await predictor.kept(sessions, session)
        location = {"location": f"{request.url.path}/{quote(session.id, safe='')}"}
        return JSONResponse(told(sessions, session), 201, location)

    @router.get("/{session}", summary="How far a session has come", responses=FOUND)
    async def looked(model: str, session: str) -> dict[str, Any]:
        return told(*await predictor.session(model, session))

    @router.delete("/{session}", summary="Close a session", status_code=204, responses=DELETED)
    async def closed(model: str, session: str) -> Response:
        sessions, found = await predictor.session(model, session)
        sessions.close(found.id)
        await predictor.ended(sessions, found.id)
        return Response(status_code=204)

    @router.post("/{session}/steps", summary="The next steps", responses=STEPPED, openapi_extra=STEPS)
    async def stepped(model: str, session: str, request: Request) -> Response:
        headers = dict(request.scope["headers"])
        check_media_type(headers, _JSON)
        served = predictor.registry.find(model)
        call = Call(model, None, headers, await request.body(), departure_check(request.receive))
        body = parsed_object(call.body, FIELDS | {"step"})
        asked, with_outputs = prediction_request(call, body, served)
        number = whole_number(body, "step", None)
        result = await predictor.infer(asked._replace(stream=StreamStep(session, number)))
        if number is not None:
            _check_sent_again(asked.sequences, result, served.signature)
        words = worded(served, asked.sequences, result, with_outputs)
        return Response(
            orjson.dumps(words | {"session": session, "step": result.step}), media_type="application/json"
        )

    return router


def opening_terms(
    body: dict[str, Any], max_rows: int, id_field: str = "id"
) -> tuple[str | None, int, float | None, float | None]:
    """Id, rows, idle and whole time; raises InvalidRequest naming the field."""
    identity = body.get("id")
    if identity is not None and not (isinstance(identity, str) and 0 < len(identity) <= LONGEST_ID):
        raise InvalidRequest(f"{id_field}: expected 1 to {LONGEST_ID} characters, or none")
    rows = whole_number(body, "rows", 1)
    if rows is None or rows > max_rows:
        raise InvalidRequest(f"rows: expected a whole number from 1 to {max_rows}")
    idle_s, ttl_s = (
        positive_number(body[name], name) if name in body else None for name in ("idle_s", "ttl_s")
    )
    return identity, rows, idle_s, ttl_s


def whole_number(body: dict[str, Any], name: str, otherwise: int | None) -> int | None:
    """1 or more; raises InvalidRequest naming the field."""
    value = body.get(name, otherwise)
    if value is not None and (type(value) is not int or value < 1):
        raise InvalidRequest(f"{name}: expected a whole number, 1 or more")
    return value


def told(sessions: Sessions, session: Session) -> dict[str, Any]:
    return {
        "session": session.id,
        "rows": session.rows,
        "step": session.step,
        "idle_s": session.idle_s,
        "expires_in_s": round(sessions.expires_in_s(session), 3),
    }


def _check_sent_again(sequences: list[Array], result: InferResult, signature: Signature) -> None:
    """Words are about what was sent, which nobody has looked at where its number had been answered."""
    for (field, values), output in zip(named(sequences), result.outputs, strict=True):
        checked_sequence(values, signature, len(values), field)
        if signature.has_step_outputs and len(values) != len(output):
            raise InvalidRequest(
                f"{field}: {len(values)} steps, but step {result.step} was answered with {len(output)}: "
                "send again what was sent then"
            )


async def _body(request: Request, fields: frozenset[str]) -> dict[str, Any]:
    check_media_type(dict(request.scope["headers"]), _JSON)
    body = await request.body()
    return parsed_object(body, fields) if body else {}
