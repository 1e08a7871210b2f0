"""A raw connection that does as badly as it is told, and how the server ended it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeAlias

from load_tests.address import Address

_CONNECTED_S = 10.0
Conduct: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""What is done with a connection until it ends."""


async def misbehave(address: Address, conduct: Conduct, patience_s: float) -> str:
    """The status that the server answered, `closed`, `reset`, or `still open` when patience ended."""
    try:
        async with asyncio.timeout(_CONNECTED_S):
            reader, writer = await asyncio.open_connection(address.host, address.port)
    except OSError:
        return "not connected"
    said = ""
    acting = asyncio.ensure_future(conduct(reader, writer))
    try:
        async with asyncio.timeout(patience_s):
            said = _status(await reader.readline())
            while await reader.read(1 << 16):
                pass
        return said or "closed"  # noqa: TRY300
    except TimeoutError:
        return f"{said} still open".strip()
    except ConnectionError:
        return said or "reset"
    finally:
        acting.cancel()
        with suppress(asyncio.CancelledError, OSError):
            await acting
        writer.transport.abort()


def _status(first_line: bytes) -> str:
    return first_line.split()[1].decode() if first_line.startswith(b"HTTP/") else ""
