"""GET /v2/models/{model}/stream in plain HTTP: says what to ask instead, and stands in the API's page."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from service.errors import UpgradeRequired
from service.sessions.session import LONGEST_ID

_RESPONSES: Any = {
    400: {"description": "the offer of a WebSocket, or what the address says of its session, is malformed"},
    101: {"description": "a WebSocket; its messages are described in docs/04-streaming.md"},
    403: {"description": "a page of an origin that may not ask"},
    404: {"description": "no such model"},
    426: {"description": "asked in plain HTTP"},
    503: {"description": "loading or draining"},
}


def _opening(name: str, kind: str, description: str, **further: Any) -> dict[str, Any]:
    schema = {"type": kind, **further}
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


_SECONDS: Any = {"kind": "number", "description": "seconds; at most the server's own", "exclusiveMinimum": 0}
_TERMS: Any = {
    "parameters": [
        _opening("session", "string", "its id, or one of ours", minLength=1, maxLength=LONGEST_ID),
        _opening("rows", "integer", "sequences that go on side by side", minimum=1, default=1),
        _opening("idle_s", **_SECONDS),
        _opening("ttl_s", **_SECONDS),
        _opening("resumable", "boolean", "whether a token is wanted to come back with", default=False),
        _opening("resume", "string", "the token of `session`, which comes back; no terms beside it"),
    ]
}


def stream_route() -> APIRouter:
    router = APIRouter(prefix="/v2/models/{model}/stream", tags=["Streams"])

    @router.get(
        "",
        summary="A session's steps over a WebSocket",
        description="With any of its parameters it opens at once; else its first message does.",
        responses=_RESPONSES,
        status_code=426,
        openapi_extra=_TERMS,
    )
    async def stream(model: str) -> None:
        raise UpgradeRequired(
            "stream: is a WebSocket: send Connection: Upgrade and Upgrade: websocket, in HTTP/1.1"
        )

    return router
