"""A connection that stays open and answers one request at a time: what it sent is answered, or it is lost."""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple, Self, cast

import httptools

from load_tests.address import Address


class Lost(Exception):
    """The connection ended between a request and its answer."""


class HttpAnswer(NamedTuple):
    """Header names are in lower case; `stays` says whether another request may follow."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes
    stays: bool


class HttpConnection(asyncio.Protocol):
    """Made by `open`; raises what `create_connection` raises where nobody listens."""

    def __init__(self) -> None:
        self.is_open = False
        # When it was opened or last answered, by time.perf_counter.
        self.idle_since_s = 0.0
        self._transport: asyncio.WriteTransport
        self._due: asyncio.Future[HttpAnswer] | None = None
        self._begin()

    @classmethod
    async def open(cls, address: Address) -> Self:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(cls, address.host, address.port)
        return connection

    def ask(self, request: bytes) -> asyncio.Future[HttpAnswer]:
        """Send the bytes; the future has the answer, or the exception Lost."""
        self._due = asyncio.get_running_loop().create_future()
        if self.is_open:
            self._transport.write(request)
        else:
            self._lose()
        return self._due

    def close(self) -> None:
        self.is_open = False
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)
        self.is_open = True
        self.idle_since_s = time.perf_counter()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, failure: Exception | None) -> None:
        self.is_open = False
        self._lose()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        stays = bool(self._parser.should_keep_alive())
        answer = HttpAnswer(self._parser.get_status_code(), self._headers, self._body, stays)
        self.is_open = self.is_open and stays
        self.idle_since_s = time.perf_counter()
        self._begin()
        due, self._due = self._due, None
        if due is not None and not due.done():
            due.set_result(answer)

    def _begin(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[bytes, bytes] = {}
        self._body = b""

    def _lose(self) -> None:
        due, self._due = self._due, None
        if due is not None and not due.done():
            due.set_exception(Lost())
