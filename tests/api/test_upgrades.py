"""Clients that offer another protocol are answered in this one."""

from __future__ import annotations

import pytest
from live_server import LiveServer, request
from on_a_loop import on_a_loop

OFFER = b"\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n\r\n"
OFFERING = request().replace(b"\r\n\r\n", OFFER, 1)
HEALTH = b"GET /v2/health/live HTTP/1.1\r\nHost: carousel\r\n\r\n"


@pytest.mark.parametrize("cut", [0, 10, OFFERING.index(b"\r\n\r\n") + 4, len(OFFERING) - 3])
@on_a_loop
async def test_a_request_that_offers_http_2_is_answered_and_so_is_the_next(cut):
    async with LiveServer() as server:
        connection = await server.connect()
        await connection.send(OFFERING[:cut])
        await server.ask(HEALTH)
        await connection.send(OFFERING[cut:])
        assert (await connection.reply()).status == 200
        await connection.send(request())
        assert (await connection.reply()).status == 200


@on_a_loop
async def test_a_pipeline_of_offers_is_answered_in_order():
    health = HEALTH.replace(b"\r\n\r\n", OFFER)
    chunked = request().replace(b"Content-Length: 22", b"Transfer-Encoding: chunked").partition(b"\r\n\r\n")
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(chunked[2]), chunked[2])
    async with LiveServer() as server:
        connection = await server.connect()
        await connection.send(OFFERING + health + request() + chunked[0] + OFFER + body + HEALTH)
        replies = [await connection.reply() for _ in range(5)]
        assert [reply.status for reply in replies] == [200] * 5
        assert [b"predictions" in reply.body for reply in replies] == [True, False, True, True, False]


LAST = [
    b"HTTP/1.0\r\nConnection: Upgrade",
    b"HTTP/1.0\r\nConnection: close, Upgrade",
    b"HTTP/1.1\r\nConnection: close, Upgrade",
]
SOCKET = b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"


@pytest.mark.parametrize("head", LAST)
@pytest.mark.parametrize(("path", "status"), [(b"/v2/models/sums/stream", 426), (b"/v2/health/live", 200)])
@on_a_loop
async def test_an_offer_in_a_connections_last_request_is_answered_at_once(path, status, head):
    offer = SOCKET if head.startswith(b"HTTP/1.0") else b"Upgrade: h2c\r\n"
    async with LiveServer() as server:
        connection = await server.connect()
        await connection.send(b"GET %s %s\r\n%s\r\n" % (path, head, offer))
        reply = await connection.reply()
        assert (reply.status, reply.headers["connection"]) == (status, "close")
        assert await connection.is_closed_by_server()


@on_a_loop
async def test_a_body_behind_an_offer_in_http_1_0_is_read():
    offer = b" HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
    async with LiveServer() as server:
        assert (await server.ask(request().replace(b" HTTP/1.1\r\n", offer))).status == 200


@on_a_loop
async def test_an_offer_over_the_header_limit_is_refused_as_any_other_and_connect_is_not_served():
    async with LiveServer(max_headers=3) as server:
        assert (await server.ask(OFFERING)).status == 431
        assert (await server.ask(b"CONNECT carousel:80 HTTP/1.1\r\nHost: carousel\r\n\r\n")).status == 400
