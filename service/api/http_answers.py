"""A connection that sends an answer's head and body at once."""

from __future__ import annotations

import asyncio

from service.api.http_upgrades import PlainConnection


class HeadHolder:
    """What a request writes its answer to: the head waits for the body, but for no later turn of the loop.

    uvicorn writes one after the other: two system calls, two packets, and two times that a client is woken.
    """

    __slots__ = ("_held", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: bytes | None = None

    def write(self, data: bytes) -> None:
        if self._held is None:
            self._held = data
            self._loop.call_soon(self._let_go)
        else:
            self._transport.write(self._held + data)
            self._held = b""

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        self._let_go()
        self._transport.close()

    def _let_go(self) -> None:
        if self._held:
            self._transport.write(self._held)
            self._held = b""


class WholeAnswers(PlainConnection):
    """Gives each request its own holder, but for those whose answer has no body to wait for."""

    __slots__ = ()

    def on_headers_complete(self) -> None:
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before and self.scope["method"] != "HEAD":
            self.cycle.transport = HeadHolder(self.transport, self.loop)  # type: ignore[assignment]
