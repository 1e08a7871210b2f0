"""The ASGI lifespan: start before the first request, stop after the last."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.types import Receive, Scope, Send

from service.errors import CarouselError


class Lifespan:
    """A start that fails for a reason we know is told in one sentence, without a traceback."""

    def __init__(self, start: Callable[[], Awaitable[None]], stop: Callable[[], Awaitable[None]]) -> None:
        self._start = start
        self._stop = stop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self._start()
        except CarouselError as failure:
            await send({"type": "lifespan.startup.failed", "message": failure.message})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._stop()
        await send({"type": "lifespan.shutdown.complete"})
