"""A client of one stream that costs next to nothing: it sends the same frame each time it is answered."""

from __future__ import annotations

import asyncio
import struct
import time
from typing import NamedTuple, cast

import numpy as np

from load_tests.address import Address
from service.domain.tensors import Array

_TEXT, _BINARY, _CLOSE, _PING, _PONG = 1, 2, 8, 9, 10
# A key of zeros masks nothing, so that a frame is made once.
_MASK = bytes(4)
_STEP = struct.Struct("<BBHIQ")


class StreamFailed(Exception):
    """The server refused the stream or a step, or ended it; holds its words."""


class Frame(NamedTuple):
    """A whole message of the server, and where the next one begins."""

    opcode: int
    content: bytes
    end: int


def step_frame(steps: Array) -> bytes:
    """The next step of one row, float32 `[steps, *step]`, as it goes over the wire."""
    head = _STEP.pack(1, 1, 1, 0, 0) + len(steps).to_bytes(4, "little")
    return _masked(_BINARY, head + np.ascontiguousarray(steps, "<f4").tobytes())


def frame_at(data: bytes, start: int) -> Frame | None:
    """The server's frame that begins there, None where it is not all there yet."""
    if len(data) < start + 2:
        return None
    size, at = data[start + 1] & 0x7F, start + 2
    if size >= 126:
        width = 2 if size == 126 else 8
        size, at = int.from_bytes(data[at : at + width], "big"), at + width
    return Frame(data[start] & 15, data[at : at + size], at + size) if len(data) >= at + size else None


class StreamClient(asyncio.Protocol):
    """Made by `open`; `begin` has it step until so long, `ended` is done when its last step is answered."""

    def __init__(self, address: Address, model: str, frame: bytes) -> None:
        self._opening = _opening(address, model)
        self._frame = frame
        self._unread = b""
        self._is_accepted = False
        self._due_s = self._sent_s = 0.0
        self.latencies_s: list[float] = []
        self.is_open: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._is_gone = asyncio.Event()
        self._transport: asyncio.WriteTransport

    @classmethod
    async def open(cls, address: Address, model: str, frame: bytes) -> StreamClient:
        """Raises OSError where nobody listens, StreamFailed."""
        make = lambda: cls(address, model, frame)  # noqa: E731
        _, client = await asyncio.get_running_loop().create_connection(make, address.host, address.port)
        try:
            await client.is_open
        except BaseException:
            client.abort()
            raise
        return client

    def begin(self, due_s: float) -> None:
        """Step until then, by the performance counter."""
        self._due_s = due_s
        self._send(time.perf_counter())

    async def close(self) -> None:
        """Take leave, and wait until the server has."""
        self._transport.write(_masked(_CLOSE, (1000).to_bytes(2, "big")))
        await self._is_gone.wait()

    def abort(self) -> None:
        """Gone without a word."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)
        self._transport.write(self._opening)

    def data_received(self, data: bytes) -> None:
        unread = self._unread + data if self._unread else data
        at = 0 if self._is_accepted else self._accepted(unread)
        while self._is_accepted and (frame := frame_at(unread, at)) is not None:
            at = frame.end
            self._heard(frame)
        self._unread = unread[at:]

    def connection_lost(self, failure: Exception | None) -> None:
        self._is_gone.set()
        self._fail("the connection ended")

    def _accepted(self, unread: bytes) -> int:
        """Where the first frame begins; 0 as long as the answer to the opening is not all there."""
        end = unread.find(b"\r\n\r\n")
        if end < 0:
            return 0
        if b" 101 " not in unread[:16]:
            self._fail(unread.decode(errors="replace"))
        self._is_accepted = True
        return end + 4

    def _heard(self, frame: Frame) -> None:
        if frame.opcode == _BINARY:
            self._answered(time.perf_counter())
        elif frame.opcode == _PING:
            self._transport.write(_masked(_PONG, frame.content))
        elif frame.opcode == _TEXT and not self.is_open.done():
            self.is_open.set_result(None)
        else:
            self._fail(frame.content.decode(errors="replace"))

    def _answered(self, now_s: float) -> None:
        self.latencies_s.append(now_s - self._sent_s)
        if now_s < self._due_s:
            self._send(now_s)
        elif not self.ended.done():
            self.ended.set_result(None)

    def _send(self, now_s: float) -> None:
        self._sent_s = now_s
        self._transport.write(self._frame)

    def _fail(self, words: str) -> None:
        if not self.is_open.done():
            self.is_open.set_exception(StreamFailed(words))
            self.ended.cancel()
        elif not self.ended.done():
            self.ended.set_exception(StreamFailed(words))


def _masked(opcode: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return bytes([0x80 | opcode]) + length + _MASK + content


def _opening(address: Address, model: str) -> bytes:
    lines = (
        f"GET /v2/models/{model}/stream?rows=1 HTTP/1.1",
        f"Host: {address.host_header}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    )
    return "\r\n".join([*lines, "", ""]).encode()
