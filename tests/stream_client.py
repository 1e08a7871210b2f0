"""A client of streams: messages as dictionaries, steps as arrays, and frames that no library would send."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import numpy as np
import websockets
from live_server import Connection, LiveServer, Reply
from websockets.asyncio.client import ClientConnection
from websockets.frames import Frame, Opcode

_LONGEST_WAIT_S = 20.0
HEAD, TIMES = struct.Struct("<BBHIQ"), struct.Struct("<3f12s")


class BinaryOutput(NamedTuple):
    """A binary answer, taken apart by its description in docs/04-streaming.md."""

    step: int
    outputs: list[np.ndarray]
    device: str
    is_degraded: bool


class Client:
    """One end of a stream."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def say(self, kind: str, **fields: Any) -> None:
        await self.socket.send(json.dumps({"type": kind, **fields}))

    async def say_binary(self, *rows: np.ndarray, step: int = 0) -> None:
        await self.socket.send(binary_step(*rows, step=step))

    async def hear(self) -> dict[str, Any]:
        """The next JSON message."""
        async with asyncio.timeout(_LONGEST_WAIT_S):
            said = await self.socket.recv()
        assert isinstance(said, str), said
        return json.loads(said)

    async def hear_binary(self, width: int = 2) -> BinaryOutput:
        said = await self.hear_either(width)
        assert isinstance(said, BinaryOutput), said
        return said

    async def hear_either(self, width: int = 2) -> dict[str, Any] | BinaryOutput:
        """The next message, in whichever form it comes."""
        async with asyncio.timeout(_LONGEST_WAIT_S):
            said = await self.socket.recv()
        return json.loads(said) if isinstance(said, str) else parsed_output(said, width)

    async def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        await self.say(kind, **fields)
        return await self.hear()

    async def closed(self) -> tuple[int, str]:
        """Code and reason of the server's close frame."""
        async with asyncio.timeout(_LONGEST_WAIT_S):
            await self.socket.wait_closed()
        return self.socket.close_code, self.socket.close_reason

    def cut(self) -> None:
        """Gone without a word."""
        self.socket.transport.abort()


def binary_step(*rows: np.ndarray, step: int = 0) -> bytes:
    lengths = struct.pack(f"<{len(rows)}I", *map(len, rows))
    return HEAD.pack(1, 1, len(rows), 0, step) + lengths + b"".join(row.tobytes() for row in rows)


def parsed_output(said: bytes, width: int) -> BinaryOutput:
    kind, layout, rows, flags, step = HEAD.unpack_from(said)
    assert (kind, layout) == (2, 1)
    *_, device = TIMES.unpack_from(said, HEAD.size)
    at = HEAD.size + TIMES.size
    lengths = np.frombuffer(said, "<u4", rows, at).tolist()
    values = np.frombuffer(said, "<f4", offset=at + 4 * rows).reshape(sum(lengths), width)
    outputs = np.split(values, np.cumsum(lengths)[:-1])
    return BinaryOutput(step, outputs, device.rstrip(b"\0").decode(), bool(flags & 1))


def url_of(server: LiveServer, path: str) -> str:
    host, port = server.address
    return f"ws://{host}:{port}{path}"


@asynccontextmanager
async def connected(
    server: LiveServer, model: str = "sums", query: str = "", **options: Any
) -> AsyncIterator[Client]:
    """A connection, not yet open as a stream unless the query says so."""
    url = url_of(server, f"/v2/models/{model}/stream{query}")
    async with websockets.connect(url, compression=None, ping_interval=None, **options) as socket:
        yield Client(socket)


@asynccontextmanager
async def streaming(
    server: LiveServer, model: str = "sums", **terms: Any
) -> AsyncIterator[tuple[Client, dict[str, Any]]]:
    """A stream that is open, and what it was told."""
    async with connected(server, model) as client:
        told = await client.ask("open", **terms)
        assert told["type"] == "opened", told
        yield client, told


async def refusal(server: LiveServer, path: str = "/v2/models/sums/stream", **options: Any) -> Reply:
    """The plain HTTP answer to an opening that is not accepted."""
    try:
        async with websockets.connect(url_of(server, path), compression=None, **options):
            raise AssertionError("it was accepted")
    except websockets.InvalidStatus as failure:
        response = failure.response
        headers = {name.lower(): value for name, value in response.headers.raw_items()}
        return Reply(response.status_code, headers, bytes(response.body))


def offer(path: str = "/v2/models/sums/stream?rows=1", head: str = "") -> bytes:
    """A handshake; `head` is further header lines, each ending in CRLF."""
    key = base64.b64encode(bytes(16)).decode()
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: carousel",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}",
    ]
    return "\r\n".join([*lines, f"{head}\r\n"]).encode()


def frame(content: bytes, opcode: Opcode = Opcode.TEXT, *, fin: bool = True, mask: bool = True) -> bytes:
    return Frame(opcode, content, fin).serialize(mask=mask)


async def accepted(
    server: LiveServer, path: str = "/v2/models/sums/stream?rows=1", **options: Any
) -> Connection:
    """A connection whose frames the test writes itself."""
    connection = await server.connect(**options)
    await connection.send(offer(path))
    assert (await connection.reply(has_body=False)).status == 101
    return connection


async def server_frame(connection: Connection) -> tuple[int, bytes]:
    """Opcode and content of the next frame from the server."""
    async with asyncio.timeout(_LONGEST_WAIT_S):
        reader = connection._reader
        first, size = await reader.readexactly(2)
        if size == 126:
            (size,) = struct.unpack("!H", await reader.readexactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", await reader.readexactly(8))
        return first & 15, await reader.readexactly(size)
