"""An open loop over connections that a server may close while they lie idle."""

from __future__ import annotations

import asyncio

import pytest
import uvloop

from load_tests.address import free_address
from load_tests.http_requests import post
from load_tests.overload import open_loop
from load_tests.overload.fate import Outcome
from load_tests.overload.open_loop import Arrivals, OpenLoop

_ARRIVALS = Arrivals(rate=400.0, seconds=0.1, urgent_share=0.5)


class Answering(asyncio.Protocol):
    """Answers every request, and remembers who asked."""

    made = 0
    asked: list[Answering]

    def connection_made(self, transport):
        Answering.made += 1
        self._transport = transport

    def data_received(self, data):
        Answering.asked.append(self)
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


async def _run(connections):
    Answering.made, Answering.asked = 0, []
    address = free_address()
    server = await asyncio.get_running_loop().create_server(Answering, address.host, address.port)
    async with server:
        request = post(address, "/", b"{}")
        loop = OpenLoop(address, request, request)
        await loop.connect(connections)
        _, fates = await loop.run(_ARRIVALS)
    return fates


@pytest.mark.parametrize(("longest_idle_s", "is_reused"), [(60.0, True), (0.0, False)])
def test_a_connection_that_was_idle_for_long_is_not_used(monkeypatch, longest_idle_s, is_reused):
    monkeypatch.setattr(open_loop, "_LONGEST_IDLE_S", longest_idle_s)
    fates = uvloop.run(_run(connections=5))
    assert {fate.outcome for fate in fates} == {Outcome.ANSWERED}
    assert len(Answering.asked) == len(fates) == len(list(_ARRIVALS.drawn()))
    uses_each_once = len(set(map(id, Answering.asked))) == len(fates)
    assert uses_each_once is not is_reused
    assert (Answering.made == 5 + len(fates)) is not is_reused
