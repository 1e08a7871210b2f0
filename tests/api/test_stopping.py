"""A server that stops: what was sent before its client could know is answered, and nobody is reset."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest
from live_server import Connection, LiveServer, request
from on_a_loop import on_a_loop

from service.api.http_drain import HttpDrain


def drain_of(server: LiveServer) -> HttpDrain:
    return HttpDrain(server._server.config, server._server.server_state)


def stop(server: LiveServer) -> asyncio.Task[None]:
    return asyncio.create_task(drain_of(server).stop(server._server.servers, {}))


async def kept(server: LiveServer) -> Connection:
    """A connection that has been answered, and stays open."""
    connection = await server.connect()
    await connection.send(request())
    assert "connection" not in (await connection.reply()).headers
    return connection


@on_a_loop
async def test_from_the_signal_on_every_answer_is_its_connections_last():
    async with LiveServer() as server:
        resting, answering = await kept(server), await kept(server)
        held = await server.memory.hold()
        await answering.send(request())
        await server.until(lambda: len(server._server.server_state.tasks) == 1)
        drain_of(server).begin()
        await resting.send(request())
        server.memory.backends["sums"].gate.set()
        new = await server.connect()
        await new.send(request())
        for connection in (answering, resting, new):
            reply = await connection.reply()
            assert (reply.status, reply.headers["connection"]) == (200, "close")
            assert await connection.is_closed_by_server()
        await held


@on_a_loop
async def test_a_request_sent_as_the_server_stops_is_answered():
    async with LiveServer() as server:
        connection = await kept(server)
        stopping = stop(server)
        await connection.send(request())
        reply = await connection.reply()
        assert (reply.status, reply.headers["connection"]) == (200, "close")
        await stopping


@on_a_loop
async def test_a_connection_that_the_system_had_accepted_is_answered_and_the_next_refused():
    async with LiveServer() as server:
        address = server.address
        # Without a turn of the loop between: the server has seen none of it.
        waiting = socket.create_connection(address)
        waiting.sendall(request())
        await stop(server)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)
        with waiting:
            assert waiting.recv(1000).startswith(b"HTTP/1.1 200 OK")


@on_a_loop
async def test_who_asks_after_the_farewell_is_neither_reset_nor_answered():
    async with LiveServer() as server:
        with socket.create_connection(server.address) as client:
            await server.until(lambda: len(server._server.server_state.connections) == 1)
            stopping = stop(server)
            assert await asyncio.to_thread(client.recv, 1) == b""
            client.sendall(request())
            client.shutdown(socket.SHUT_WR)
            await stopping
            await server.all_left()
            assert client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
            assert server._server.server_state.total_requests == 0


@on_a_loop
async def test_all_that_was_sent_ahead_is_answered_and_only_the_last_answer_says_so():
    async with LiveServer() as server:
        held = await server.memory.hold()
        connection = await server.connect()
        await connection.send(request())
        await server.until(lambda: len(server._server.server_state.tasks) == 1)
        stopping = stop(server)
        await connection.send(b"".join(request(body=b'{"sequence": [[%d, 0]]}' % n) for n in range(300)))
        await server.until(lambda: any(each.pipeline for each in server._server.server_state.connections))
        server.memory.backends["sums"].gate.set()
        replies = [await connection.reply() for _ in range(301)]
        closing = [reply.headers.get("connection") for reply in replies]
        assert closing == [None] * 300 + ["close"]
        assert json.loads(replies[-1].body)["predictions"][0]["output"][1] == 299
        await stopping
        await held


@on_a_loop
async def test_a_thousand_idle_connections_do_not_hold_up_the_end():
    async with LiveServer() as server:
        idle = [await server.connect() for _ in range(1000)]
        await server.until(lambda: len(server._server.server_state.connections) == 1000)
        async with asyncio.timeout(5):
            await stop(server)
        for connection in idle:
            assert await connection.is_closed_by_server()
