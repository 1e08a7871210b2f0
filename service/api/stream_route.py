"""GET /v2/models/{model}/stream in plain HTTP: says what to ask instead, and stands in the API's page."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from service.errors import UpgradeRequired

_RESPONSES: Any = {
    101: {"description": "a WebSocket; its messages are described in docs/08-streaming.md"},
    403: {"description": "a page of an origin that may not ask"},
    404: {"description": "no such model"},
    426: {"description": "asked in plain HTTP"},
    503: {"description": "loading or draining"},
}


def stream_route() -> APIRouter:
    router = APIRouter(prefix="/v2/models/{model}/stream", tags=["Streams"])

    @router.get("", summary="A session's steps over a WebSocket", responses=_RESPONSES, status_code=426)
    async def stream(model: str) -> None:
        raise UpgradeRequired("stream: is a WebSocket: send Connection: Upgrade and Upgrade: websocket")

    return router
