"""Ways to be a bad client over HTTP."""

from __future__ import annotations

import asyncio
import gzip

from load_tests.address import Address
from load_tests.slow.sockets import Conduct

_TRICKLE_S = 0.2
_CHUNK = b"x" * 65536


def slow_header(address: Address, path: str) -> Conduct:
    """One header field after another, never the last (Slowloris)."""
    return _trickle(f"POST {path} HTTP/1.1\r\nHost: {address.host_header}\r\n".encode(), b"X-Slow: 1\r\n")


def slow_body(address: Address, path: str) -> Conduct:
    """A body of a million bytes, a few at a time (R-U-Dead-Yet)."""
    return _trickle(_head(address, path, 1_000_000), b'{"se')


def idle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> asyncio.Future[None]:
    """Connects and says nothing."""
    return asyncio.get_running_loop().create_future()


def huge_header(address: Address, path: str) -> Conduct:
    """A header of 10 MB."""
    return _flood(f"POST {path} HTTP/1.1\r\nHost: {address.host_header}\r\nX-Huge: ".encode(), 160)


def zip_bomb(address: Address, path: str) -> Conduct:
    """1 GiB of blanks, packed into 1 MB."""
    body = gzip.compress(b" " * (1 << 26), 9) * 16
    head = _head(address, path, len(body), "Content-Encoding: gzip\r\n")
    return _flood(head + body, 0)


def many_empty_zips(address: Address, path: str) -> Conduct:
    """Very many empty gzip streams behind each other."""
    body = gzip.compress(b"") * 50_000
    return _flood(_head(address, path, len(body), "Content-Encoding: gzip\r\n") + body, 0)


def _head(address: Address, path: str, length: int, more: str = "") -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: {address.host_header}\r\nContent-Length: {length}\r\n{more}\r\n"
    ).encode()


def _trickle(first: bytes, again: bytes) -> Conduct:
    async def conduct(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        while True:
            await writer.drain()
            await asyncio.sleep(_TRICKLE_S)
            writer.write(again)

    return conduct


def _flood(first: bytes, chunks: int) -> Conduct:
    async def conduct(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        for _ in range(chunks):
            writer.write(_CHUNK)
            await writer.drain()

    return conduct
