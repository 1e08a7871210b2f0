"""Clients that send slowly, send too much, or do not read: they are let go, and others are answered."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest
from live_server import LiveServer, request
from on_a_loop import on_a_loop

HEAD = b"POST /predict/sums HTTP/1.1\r\nHost: carousel\r\n"
SHORT = 0.05


async def answered(server: LiveServer) -> bool:
    return (await server.ask(request())).status == 200


@pytest.mark.parametrize("sent", [b"P", HEAD, HEAD + b"X-Slow: ", b"\r\nPOST /predict/sums HTTP/1.1\r\nX"])
@on_a_loop
async def test_a_header_that_does_not_end_is_told_so_and_the_connection_closed(sent):
    async with LiveServer(header_timeout_s=SHORT) as server:
        connection = await server.connect()
        await connection.send(sent)
        reply = await connection.reply()
        assert (reply.status, reply.headers["connection"]) == (408, "close")
        assert reply.error == "header: not received within 0.05 s"
        assert reply.headers["x-request-id"]
        assert await connection.is_closed_by_server()
        assert server.memory.metric("rejected_total", reason="header_timeout") == 1


@on_a_loop
async def test_a_byte_now_and_then_buys_a_header_no_time():
    async with LiveServer(header_timeout_s=SHORT) as server:
        connection = await server.connect()

        async def drip():
            while True:
                await connection.send(b"X-A: 1\r\n")
                await server.breathe()

        await connection.send(HEAD)
        dripping = asyncio.create_task(drip())
        assert (await connection.reply()).status == 408
        dripping.cancel()
        assert await answered(server)


@on_a_loop
async def test_who_connects_and_says_nothing_is_let_go_without_a_word():
    async with LiveServer(header_timeout_s=SHORT) as server:
        assert await (await server.connect()).is_closed_by_server()


@on_a_loop
async def test_between_requests_a_connection_may_rest_longer_than_a_header_may_take():
    async with LiveServer(header_timeout_s=SHORT) as server:
        resting = await server.connect()
        await resting.send(request())
        await resting.reply()
        assert await (await server.connect()).is_closed_by_server()
        await resting.send(request())
        assert (await resting.reply()).status == 200
        await resting.send(HEAD)
        assert (await resting.reply()).status == 408


@on_a_loop
async def test_a_body_that_goes_on_after_its_refusal_holds_no_connection():
    async with LiveServer(header_timeout_s=SHORT) as server:
        connection = await server.connect()
        await connection.send(b"GET /v2 HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n")
        assert (await connection.reply()).status == 200
        await connection.send(b"x")
        assert await connection.is_closed_by_server()


@on_a_loop
async def test_a_body_that_does_not_come_is_told_so():
    async with LiveServer(body_timeout_s=SHORT) as server:
        connection = await server.connect()
        await connection.send(HEAD + b"Content-Length: 10\r\n\r\n{")
        assert (await connection.reply()).status == 504
        assert await answered(server)


@pytest.mark.parametrize("path", [b"/predict/sums", b"/v2/models/sums", b"/" + b"x" * 70_000])
@on_a_loop
async def test_ten_megabytes_of_header_are_refused_after_the_first_few(path):
    async with LiveServer() as server:
        connection = await server.connect()
        await connection.send(b"GET " + path + b" HTTP/1.1\r\nX-Large: ")
        flood = asyncio.create_task(connection.send(b"x" * 10_000_000))
        reply = await connection.reply()
        assert reply.status == 431
        assert reply.error == "header: more than 65536 bytes, send fewer"
        flood.cancel()
        await asyncio.wait([flood])
        assert await answered(server)


@on_a_loop
async def test_a_header_is_measured_without_the_body_that_came_with_it():
    async with LiveServer(max_header_bytes=1024, max_headers=5) as server:
        body = b'{"sequence": [[1, 2]]}' + b" " * 100_000
        assert (await server.ask(request(body=body, head="X-A: " + "x" * 900 + "\r\n"))).status == 200
        refusal = await server.ask(request(body=body, head="X-A: " + "x" * 1000 + "\r\n"))
        assert (refusal.status, refusal.error) == (431, "header: more than 1024 bytes, send fewer")
        assert (await server.ask(request(head="X-A: 1\r\n" * 3))).status == 200
        refusal = await server.ask(request(head="X-A: 1\r\n" * 4))
        assert (refusal.status, refusal.error) == (431, "header: 6 fields, at most 5 are allowed")


@pytest.mark.parametrize("tail", [b"X-Trailer: " + b"x" * 2_000_000, b"X-T: 1\r\n" * 250_000])
@on_a_loop
async def test_trailers_without_end_are_refused(tail):
    async with LiveServer(max_header_bytes=4096) as server:
        connection = await server.connect()
        chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
        flood = asyncio.create_task(connection.send(chunked, tail))
        assert (await connection.reply()).status == 431
        flood.cancel()
        await asyncio.wait([flood])
        assert await answered(server)


@on_a_loop
async def test_a_refusal_never_overtakes_the_answers_to_what_was_sent_before_it():
    async with LiveServer() as server:
        held = await server.memory.hold()
        connection = await server.connect()
        await connection.send(request() * 2, b"nonsense\r\n\r\n")
        server.memory.backends["sums"].gate.set()
        replies = [await connection.reply(), await connection.reply()]
        assert [reply.status for reply in replies] == [200, 200]
        assert await connection.is_closed_by_server()
        await held


@on_a_loop
async def test_a_body_that_breaks_behind_another_request_leaves_that_one_its_answer():
    async with LiveServer() as server:
        held = await server.memory.hold()
        connection = await server.connect()
        await connection.send(request(), HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n")
        server.memory.backends["sums"].gate.set()
        assert (await connection.reply()).status == 200
        assert await connection.is_closed_by_server()
        await held


@on_a_loop
async def test_a_hundred_requests_at_once_on_one_connection_are_answered_in_order():
    async with LiveServer() as server:
        connection = await server.connect()
        await connection.send(b"".join(request(body=b'{"sequence": [[%d, 0]]}' % n) for n in range(100)))
        replies = [json.loads((await connection.reply()).body) for _ in range(100)]
        sums = [reply["predictions"][0]["output"][1] for reply in replies]
        assert sums == list(map(float, range(100)))


@pytest.mark.parametrize("head", [b"", b"Connection: close\r\n"])
@on_a_loop
async def test_who_does_not_read_its_answer_is_disconnected(head):
    async with LiveServer(write_timeout_s=SHORT) as server:
        server.buffer_little()
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(server.address)
        body = json.dumps({"sequences": [[0] * 400] * 60, "include_outputs": True}).encode()
        line = b"POST /predict/letters HTTP/1.1\r\nContent-Length: %d\r\n%s\r\n" % (len(body), head)
        await asyncio.to_thread(deaf.sendall, line + body)
        await server.until(lambda: server.memory.metric("rejected_total", reason="client_gone") == 1)
        await server.all_left()
        deaf.close()
        assert await answered(server)


@on_a_loop
async def test_who_reads_its_answer_slowly_is_not_disconnected():
    limits = {"max_sequence_steps": 200_000}
    async with LiveServer(write_timeout_s=0.4, **limits) as server:
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(server.address)
        slow.setblocking(False)
        connection = await server.connect(sock=slow, limit=1024)
        body = json.dumps({"sequence": [[1, 2]] * 200_000, "include_outputs": True}).encode()
        head = b"POST /predict/running HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body)
        await connection.send(head, body)
        # Megabytes of answer, of which a few thousand bytes are read in a while of the timeout.
        for _ in range(30):
            assert await connection._reader.read(2048), "cut off"
            await asyncio.sleep(0.05)
        assert server.memory.metric("rejected_total", reason="client_gone") == 0


@on_a_loop
async def test_a_server_that_stops_does_not_wait_for_who_does_not_read():
    async with LiveServer(write_timeout_s=SHORT) as server:
        server.buffer_little()
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(server.address)
        body = json.dumps({"sequences": [[0] * 400] * 60, "include_outputs": True}).encode()
        await asyncio.to_thread(deaf.sendall, b"POST /predict/letters HTTP/1.1\r\n")
        await asyncio.to_thread(deaf.sendall, b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        await server.until(lambda: server.memory.metric("sequences_total", **LETTERS) == 60)
        for connection in list(server._server.server_state.connections):
            connection.shutdown()
        await server.all_left()
        deaf.close()


LETTERS = {"model": "letters", "version": "1", "device": "fake"}
