"""Asks over a connection that stays open until nobody listens any more."""

from __future__ import annotations

from load_tests.address import Address
from load_tests.http_connection import HttpConnection, Lost
from load_tests.stop.fates import Door, Fate, Fates

_REFUSALS = {429, 503}


async def call_over_http(address: Address, request: bytes, fates: Fates) -> None:
    """A connection that the server ends between two requests is opened again: that loses nothing."""
    connection = await HttpConnection.open(address)
    while True:
        if not connection.is_open:
            try:
                connection = await HttpConnection.open(address)
            except OSError:
                fates.add(Door.HTTP, Fate.NOT_SENT)
                return
        fates.add(Door.HTTP, await _asked(connection, request))


async def _asked(connection: HttpConnection, request: bytes) -> Fate:
    try:
        answer = await connection.ask(request)
    except Lost:
        return Fate.LOST
    if answer.status == 200:
        return Fate.ANSWERED
    return Fate.REFUSED if answer.status in _REFUSALS else Fate.LOST
