"""A session's state over REST: a client takes it away, and brings it back, here or elsewhere."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from service.api.call import check_media_type
from service.api.sessions import told
from service.api.sessions_openapi import RESPONSES, SESSION, answered
from service.errors import InvalidRequest
from service.predictor import Predictor
from service.sessions.client_state import state_in, state_out
from service.sessions.sealing import Seal
from service.sessions.session import LONGEST_ID

_BYTES = "application/octet-stream"
_CONTENT = {_BYTES: {"schema": {"type": "string", "format": "binary"}}}
_TAKEN: Any = RESPONSES | {
    200: {"description": "the state, sealed where there is a key", "content": _CONTENT}
}
_BROUGHT: Any = RESPONSES | {
    200: answered("the session that was open has been replaced", SESSION),
    201: answered("the session is open and goes on where the state stands", SESSION),
    403: {"description": "not sealed by this server's keys, or changed; or the key may not bring state"},
    409: {"description": "the session is open already, or the state is another model's"},
    410: {"description": "the state has been carried past its expiry"},
}
_BRINGS: Any = {
    "requestBody": {"required": True, "content": _CONTENT},
    "parameters": [
        {
            "name": "replace",
            "in": "query",
            "schema": {"type": "boolean", "default": False},
            "description": "end a session that is open under this id",
        }
    ],
}


def session_state_routes(
    predictor: Predictor, seal: Seal | None, max_rows: int, max_body_bytes: int
) -> APIRouter:
    """/v2/models/{model}/sessions/{session}/state."""
    router = APIRouter(prefix="/v2/models/{model}/sessions/{session}/state", tags=["Sessions"])

    @router.get("", summary="Take a session's state away", responses=_TAKEN, response_class=Response)
    async def taken(model: str, session: str) -> Response:
        sessions, found = await predictor.session(model, session)
        return Response(await state_out(sessions, found, seal, max_body_bytes), media_type=_BYTES)

    @router.put("", summary="Go on from a state", responses=_BROUGHT, openapi_extra=_BRINGS, status_code=201)
    async def brought(model: str, session: str, request: Request) -> Response:
        check_media_type(dict(request.scope["headers"]), (_BYTES.encode(),))
        is_replacing = _is_replacing(request)
        if len(session) > LONGEST_ID:
            raise InvalidRequest(f"session: expected 1 to {LONGEST_ID} characters")
        content = await request.body()
        sessions = await predictor.sessions_for(model, session, is_replacing=is_replacing)
        was_open = session in sessions
        opened = state_in(sessions, session, content, seal, max_rows, is_replacing=is_replacing)
        await predictor.kept(sessions, opened)
        return JSONResponse(told(sessions, opened), 200 if was_open else 201)

    return router


def _is_replacing(request: Request) -> bool:
    given = request.query_params.get("replace", "false")
    if given not in {"true", "false"}:
        raise InvalidRequest("replace: expected true or false")
    return given == "true"
