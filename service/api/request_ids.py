"""X-Request-Id on the answers of an application that knows nothing of it."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.call import request_id

_NAME = b"x-request-id"


class Identified:
    """Gives each request one id: its own where that is sane; the application reads it as if it was sent."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        identity = request_id(dict(scope["headers"]))

        async def send_identified(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                if all(name != _NAME for name, _ in headers):
                    headers.append((_NAME, identity))
                message = {**message, "headers": headers}
            await send(message)

        others = [(name, value) for name, value in scope["headers"] if name != _NAME]
        await self._app({**scope, "headers": [*others, (_NAME, identity)]}, receive, send_identified)
