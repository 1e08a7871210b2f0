"""Clients that send ahead: they are answered in order, and cost no more than what is read of them."""

from __future__ import annotations

import asyncio
import json
import socket

from live_server import LiveServer, request
from on_a_loop import on_a_loop

from service.api.http_parting import PartingConnection
from service.api.http_pipeline import _SLICE_BYTES

# What uvloop reads at a time.
READ_BYTES = 256_000
SHORTEST = b"GET /v2 HTTP/1.1\r\n\r\n"
AHEAD = 40
LETTERS = {"model": "letters", "version": "1", "device": "fake"}


def only(server: LiveServer) -> PartingConnection:
    (connection,) = server._server.server_state.connections
    assert isinstance(connection, PartingConnection)
    return connection


@on_a_loop
async def test_what_is_sent_ahead_of_a_slow_answer_stays_with_its_client():
    async with LiveServer() as server:
        held = await server.memory.hold()
        connection = await server.connect()
        sending = asyncio.create_task(connection.send(request(), SHORTEST * 100_000))
        await server.until(lambda: server._server.server_state.connections and only(server).flow.held)
        for _ in range(20):
            await server.breathe()
        assert 0 < len(only(server).pipeline) <= _SLICE_BYTES // len(SHORTEST) + 1
        assert len(only(server).flow.held) <= READ_BYTES
        sending.cancel()
        server.memory.backends["sums"].gate.set()
        assert (await connection.reply()).status == 200
        assert (await connection.reply()).status == 200
        await held


@on_a_loop
async def test_who_reads_no_answers_gets_no_further_work_done_until_it_does():
    async with LiveServer() as server:
        server.buffer_little()
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.settimeout(10)
        deaf.connect(server.address)
        body = json.dumps({"sequences": [[0] * 100] * 20, "include_outputs": True}).encode().ljust(60_000)
        sending = asyncio.create_task(
            asyncio.to_thread(deaf.sendall, request("/predict/letters", body) * AHEAD)
        )
        await server.until(lambda: server._server.server_state.connections and only(server).flow.write_paused)
        await server.until(lambda: only(server).flow.held)
        done = server.memory.metric("sequences_total", **LETTERS)
        for _ in range(50):
            await server.breathe()
        assert server.memory.metric("sequences_total", **LETTERS) == done < 20 * AHEAD
        assert len(only(server).pipeline) <= 1
        assert len(only(server).flow.held) <= READ_BYTES
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        assert await asyncio.to_thread(answers, deaf) == AHEAD
        await sending
        deaf.close()


def answers(client: socket.socket) -> int:
    """How many the client reads, up to all that it asked for."""
    read = b""
    while read.count(b"HTTP/1.1 200 OK") < AHEAD:
        read += client.recv(1 << 20)
    return read.count(b"HTTP/1.1 200 OK")
