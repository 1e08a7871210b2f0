"""A memory server behind a real socket, and a client that can send any bytes."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import uvicorn
from memory_server import MemoryServer

from service.api.http_server import http_config

_LONGEST_WAIT_S = 20.0


@dataclass(frozen=True)
class Reply:
    """A response as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> str:
        return str(json.loads(self.body)["error"])


class Connection:
    """One TCP connection to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def send(self, *parts: bytes) -> None:
        """Raises ConnectionError where the server has closed the connection."""
        for part in parts:
            if self.writer.is_closing():
                # To write would be a RuntimeError, of uvloop's.
                raise ConnectionResetError("closed by the server")
            self.writer.write(part)
            await self.writer.drain()

    async def reply(self, has_body: bool = True) -> Reply:
        async with asyncio.timeout(_LONGEST_WAIT_S):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            pairs = (line.partition(": ") for line in head[1:] if line)
            headers = {name.lower(): value for name, _, value in pairs}
            size = int(headers.get("content-length", 0)) if has_body else 0
            return Reply(int(head[0].split()[1]), headers, await self._reader.readexactly(size))

    async def is_closed_by_server(self, after: bytes = b"") -> bool:
        """Without another byte, once `after` has been sent."""
        await self.send(after)
        async with asyncio.timeout(_LONGEST_WAIT_S):
            return await self._reader.read() == b""

    async def leave(self) -> None:
        self.writer.close()
        # The server may have been quicker.
        with suppress(ConnectionError):
            await self.writer.wait_closed()


class LiveServer:
    """`async with LiveServer(…)`: the settings are MemoryServer's."""

    def __init__(self, tls: ssl.SSLContext | None = None, **settings: Any) -> None:
        self.memory = MemoryServer(**settings)
        carousel = self.memory.carousel
        config = http_config(carousel, carousel.settings, carousel.errors)
        config.port, config.lifespan = 0, "off"
        config.load()
        config.ssl = tls
        self._server = uvicorn.Server(config)
        self._server.lifespan = config.lifespan_class(config)
        self._connections: list[Connection] = []

    async def __aenter__(self) -> Self:
        await self.memory.__aenter__()
        await self._server.startup()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in self._connections:
            await connection.leave()
        await self.all_left()
        for listener in self._server.servers:
            listener.close()
            await listener.wait_closed()
        await self.memory.__aexit__(kind, error, trace)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self._server.servers[0].sockets[0].getsockname()
        return host, port

    @property
    def connections(self) -> set[Any]:
        """The server's side of those that are open."""
        return self._server.server_state.connections

    def buffer_little(self) -> None:
        """Let the kernel take a few kilobytes of an answer that nobody reads, not megabytes."""
        # Its connections inherit it.
        self._server.servers[0].sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)

    async def connect(self, **options: Any) -> Connection:
        address = () if "sock" in options else self.address
        connection = Connection(*await asyncio.open_connection(*address, **options))
        self._connections.append(connection)
        return connection

    async def ask(self, request: bytes, has_body: bool = True) -> Reply:
        """The reply to these bytes, on a connection of their own."""
        connection = await self.connect()
        await connection.send(request)
        return await connection.reply(has_body)

    async def all_left(self, but: int = 0) -> None:
        """Wait until the server knows of at most `but` connections."""
        await self.until(lambda: len(self.connections) <= but)

    async def until(self, condition: Any) -> None:
        """Let the loop turn until something is so."""
        async with asyncio.timeout(_LONGEST_WAIT_S):
            while not condition():
                await self.breathe()

    async def breathe(self) -> None:
        """Let sockets have their turn."""
        await asyncio.to_thread(_nothing)


def _nothing() -> None:
    """A round trip to another thread gives sockets their turn without busy waiting."""


def request(
    path: str = "/predict/sums", body: bytes = b'{"sequence": [[1, 2]]}', method: str = "POST", head: str = ""
) -> bytes:
    """An HTTP request; `head` is further header lines, each ending in CRLF."""
    lines = f"{method} {path} HTTP/1.1\r\nHost: carousel\r\nContent-Length: {len(body)}\r\n{head}\r\n"
    return lines.encode("latin-1") + body
