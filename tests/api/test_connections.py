"""How many connections there may be, and that the health is answered whatever there are."""

from __future__ import annotations

import asyncio

import pytest
from live_server import LiveServer, request
from memory_server import MemoryServer
from on_a_loop import on_a_loop

from service.api.http_connection import _HEALTH_RESERVE
from service.api.http_server import HealthPort
from service.errors import Unavailable

HEALTH = b"GET /v2/health/ready HTTP/1.1\r\nHost: carousel\r\n\r\n"


async def crowd(server: LiveServer, count: int) -> None:
    for _ in range(count):
        await server.connect()
    await server.until(lambda: len(server._server.server_state.connections) == count)


@on_a_loop
async def test_a_thousand_idle_connections_hold_up_nobody():
    async with LiveServer() as server:
        await crowd(server, 1000)
        assert (await server.ask(request())).status == 200


@on_a_loop
async def test_one_connection_too_many_is_told_to_come_back_and_may_still_ask_for_the_health():
    async with LiveServer(max_connections=10) as server:
        await crowd(server, 10)
        surplus = await server.connect()
        await surplus.send(request())
        reply = await surplus.reply()
        assert (reply.status, reply.headers["retry-after"]) == (503, "1")
        assert reply.error == "connections: as many are open as may be, come back later"
        assert await surplus.is_closed_by_server()
        healthy = await server.connect()
        await healthy.send(HEALTH)
        assert (await healthy.reply()).status == 200
        assert await healthy.is_closed_by_server()
        assert server.memory.metric("rejected_total", reason="too_many_connections") == 1


@on_a_loop
async def test_past_the_reserve_a_connection_is_closed_at_once_and_a_place_that_is_left_is_taken_again():
    async with LiveServer(max_connections=10) as server:
        await crowd(server, 10 + _HEALTH_RESERVE)
        last = await server.connect()
        assert (await last.reply()).status == 503
        assert await last.is_closed_by_server()
        for connection in server._connections:
            await connection.leave()
        await server.all_left()
        assert (await server.ask(request())).status == 200


@on_a_loop
async def test_the_port_for_the_health_answers_that_and_nothing_else():
    async with MemoryServer(host="127.0.0.1", max_connections=1) as server:
        port = HealthPort(server.carousel, server.carousel.settings, server.carousel.errors)
        address = await port.start(0)
        try:
            assert await asked(address, HEALTH) == 200
            assert await asked(address, request()) == 404
            server.carousel.drain()
            assert await asked(address, HEALTH) == 503
            with pytest.raises(Unavailable, match="health_port: cannot listen on"):
                await HealthPort(server.carousel, server.carousel.settings, server.carousel.errors).start(
                    address[1]
                )
        finally:
            port.stop()


async def asked(address: tuple[str, int], sent: bytes) -> int:
    reader, writer = await asyncio.open_connection(*address)
    writer.write(sent)
    status = int((await reader.read()).split()[1])
    writer.close()
    await writer.wait_closed()
    return status
