"""Bodies over real sockets: too large, too late, in pieces, or never, and clients that leave."""

from __future__ import annotations

import logging

import pytest
from live_server import LiveServer, request
from on_a_loop import on_a_loop

MIB = 1 << 20


@on_a_loop
async def test_a_body_announced_as_too_large_is_refused_before_it_is_sent():
    async with LiveServer() as server:
        neighbour = await server.memory.hold()
        reply = await server.ask(
            b"POST /predict/sums HTTP/1.1\r\nHost: carousel\r\nContent-Length: %d\r\n\r\n" % (50 * MIB)
        )
        assert reply.status == 413
        assert reply.error.startswith(f"body: {50 * MIB} bytes or more, at most")
        server.memory.backends["sums"].gate.set()
        assert (await neighbour).status_code == 200


@on_a_loop
async def test_a_chunked_body_is_refused_once_it_is_too_large():
    async with LiveServer(max_body_bytes=MIB) as server:
        connection = await server.connect()
        head = b"POST /predict/sums HTTP/1.1\r\nHost: carousel\r\nTransfer-Encoding: chunked\r\n\r\n"
        chunk = b"%x\r\n" % MIB + b" " * MIB + b"\r\n"
        await connection.send(head, *[chunk] * 50, b"0\r\n\r\n")
        reply = await connection.reply()
        assert reply.status == 413
        assert reply.error.startswith("body: ")
        assert (await server.ask(request())).status == 200


@on_a_loop
async def test_a_body_in_many_small_pieces_is_read_whole():
    async with LiveServer() as server:
        connection = await server.connect()
        head = b"POST /predict/sums HTTP/1.1\r\nHost: carousel\r\nTransfer-Encoding: chunked\r\n\r\n"
        pieces = [b"1\r\n%c\r\n" % byte for byte in b'{"sequence": [[1, 2]]}']
        await connection.send(head, *pieces, b"0\r\n\r\n")
        assert (await connection.reply()).status == 200


SENT_TO = [
    b"POST /predict/sums",
    b"POST /v2/repository/index",
    b"POST /v2/logging",
    b"POST /v2/models/running/sessions",
    b"POST /v2/models/running/sessions/talk/steps",
    b"PUT /v2/models/running/sessions/talk/state",
    b"POST /v2/models/letters/generate",
    b"POST /v2/models/letters/generate_stream",
    b"POST /v2/models/sums/forecast",
    b"POST /v2/models/sums/forecast_stream",
]


@pytest.mark.parametrize("route", SENT_TO)
@on_a_loop
async def test_a_client_that_leaves_before_its_body_is_whole_is_no_fault_of_the_server(route):
    async with LiveServer() as server:
        connection = await server.connect()
        kind = b"" if route.startswith(b"POST") else b"Content-Type: application/octet-stream\r\n"
        await connection.send(b"%s HTTP/1.1\r\n%sContent-Length: 22\r\n\r\n{" % (route, kind))
        await server.until(lambda: server._server.server_state.tasks)
        await connection.leave()
        await server.until(lambda: server.memory.metric("rejected_total", reason="client_gone"))
        await server.until(lambda: not server._server.server_state.tasks)
        assert server.memory.metric("rejected_total", reason="internal") == 0


@pytest.mark.parametrize("sent", [b"", b'{"sequence"'])
@on_a_loop
async def test_a_body_that_does_not_come_in_time_is_not_waited_for(sent):
    async with LiveServer(body_timeout_s=0.05) as server:
        slow = await server.connect()
        await slow.send(b"POST /predict/sums HTTP/1.1\r\nHost: carousel\r\nContent-Length: 22\r\n\r\n" + sent)
        assert (await server.ask(request())).status == 200
        reply = await slow.reply()
        assert reply.status == 504
        assert reply.error == "body: not received within 0.05 s"


@pytest.mark.parametrize("sent", [b"", b'{"sequence"'])
@on_a_loop
async def test_a_client_that_leaves_while_sending_is_no_error(sent, logged, capsys):
    async with LiveServer() as server:
        leaver = await server.connect()
        await leaver.send(
            b"POST /predict/sums HTTP/1.1\r\nHost: carousel\r\nContent-Length: 22\r\n\r\n" + sent
        )
        await leaver.leave()
        await server.all_left()
        assert (await server.ask(request())).status == 200
    assert not [record for record in logged if record.levelno >= logging.ERROR]
    assert "error" not in capsys.readouterr().out


@on_a_loop
async def test_a_client_that_leaves_while_queued_is_not_computed_and_no_error(logged, capsys):
    async with LiveServer() as server:
        running = await server.memory.hold()
        leaver, stayer = await server.connect(), await server.connect()
        for connection, name in ((leaver, b"11"), (stayer, b"12")):
            await connection.send(request(body=b'{"sequence": [[%s, 2]]}' % name))
        waiting = {"model": "sums", "version": "1"}
        await server.until(lambda: server.memory.metric("waiting_sequences", **waiting) == 2)
        await leaver.leave()
        await server.all_left(but=1)
        server.memory.clock.skipped_s = 1.0
        server.memory.backends["sums"].gate.set()
        assert (await running).status_code == 200
        assert (await stayer.reply()).status == 200
        assert server.memory.backends["sums"].names == [[0.0], [12.0]]
    assert not [record for record in logged if record.levelno >= logging.ERROR]
    assert "error" not in capsys.readouterr().out


@on_a_loop
async def test_a_client_that_asks_first_whether_to_send_is_told():
    async with LiveServer(max_body_bytes=100) as server:
        refused = await server.ask(
            request(body=b"")[:-2].replace(b": 0", b": 101") + b"Expect: 100-continue\r\n\r\n"
        )
        assert refused.status == 413
        asked = await server.connect()
        whole = request(head="Expect: 100-continue\r\n")
        head, _, body = whole.partition(b"\r\n\r\n")
        await asked.send(head + b"\r\n\r\n")
        assert (await asked.reply(has_body=False)).status == 100
        await asked.send(body)
        assert (await asked.reply()).status == 200
