"""One connection with one request in flight: the raw protocol, so that the client costs little."""

from __future__ import annotations

import asyncio
import time
from typing import cast

import httptools

from load_tests.tally import Tally


class Caller(asyncio.BaseProtocol):
    """Sends the next request as soon as the last is answered, until the run is over."""

    def __init__(self, tally: Tally) -> None:
        self.left: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tally = tally
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.WriteTransport
        self._sent_s = 0.0
        self._body_bytes = 0
        self._is_waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)
        self._send(self._transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, failure: Exception | None) -> None:
        if self._is_waiting:
            self._is_waiting = False
            self._tally.lost()
        self._leave()

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)

    def on_message_complete(self) -> None:
        now_s = time.perf_counter()
        self._is_waiting = False
        self._tally.answered(self._parser.get_status_code(), self._sent_s, now_s)
        self._tally.answer_bytes, self._body_bytes = self._body_bytes, 0
        if self._tally.is_over(now_s) or not self._parser.should_keep_alive():
            self._leave()
        else:
            self._send(self._transport)

    def _send(self, transport: asyncio.WriteTransport) -> None:
        self._is_waiting = True
        self._sent_s = time.perf_counter()
        transport.write(next(self._tally.requests))

    def _leave(self) -> None:
        if not self.left.done():
            self.left.set_result(None)
