"""An application reduced to its health: for connections that are one too many, and for a port of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from service.api.call import request_id
from service.api.error_responses import ErrorResponses
from service.api.refusal import send_refusal
from service.errors import CarouselError


class HealthOnly:
    """Answers /v2/health/ and refuses the rest; the connection is closed after either."""

    def __init__(self, app: Any, errors: ErrorResponses, refusal: Callable[[], CarouselError]) -> None:
        self._app = app
        self._errors = errors
        self._refusal = refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_last(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
            await send(message)

        if scope["path"].startswith("/v2/health/"):
            await self._app(scope, receive, send_last)
            return
        identity = request_id(dict(scope["headers"]))
        await send_refusal(self._errors, self._refusal(), identity, scope["path"], send_last)
