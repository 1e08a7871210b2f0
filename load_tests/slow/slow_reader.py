"""Asks again and again and reads none of the answers."""

from __future__ import annotations

import asyncio
import socket

from load_tests.address import Address


async def read_nothing(address: Address, request: bytes, patience_s: float) -> str:
    """`reset` or `closed` where the server ended it, `still open` when patience ended."""
    loop = asyncio.get_running_loop()
    with socket.socket() as connection:
        # Small, so that the answers are soon the server's to keep.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.setblocking(False)
        await loop.sock_connect(connection, (address.host, address.port))
        try:
            async with asyncio.timeout(patience_s):
                while True:
                    await loop.sock_sendall(connection, request)
        except TimeoutError:
            return "still open"
        except ConnectionError:
            return "reset"
