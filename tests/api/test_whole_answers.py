"""An answer's head and body go out together; a head whose body takes its time goes out alone."""

from __future__ import annotations

import asyncio

import pytest
from live_server import LiveServer, request
from on_a_loop import on_a_loop

from service.api.http_answers import HeadHolder


class Transport:
    """Remembers what came over it, write by write."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def close(self) -> None:
        self.written.append(b"closed")


@pytest.fixture
def transport() -> Transport:
    return Transport()


@on_a_loop
async def test_head_and_body_are_one_write(transport):
    holder = HeadHolder(transport, asyncio.get_running_loop())
    holder.write(b"head ")
    holder.write(b"body")
    holder.write(b" and more")
    await asyncio.sleep(0)
    assert transport.written == [b"head body", b" and more"]


@on_a_loop
async def test_a_head_waits_for_no_later_turn(transport):
    holder = HeadHolder(transport, asyncio.get_running_loop())
    holder.write(b"head")
    assert transport.written == []
    await asyncio.sleep(0)
    assert transport.written == [b"head"]
    holder.write(b"first event")
    holder.write(b"second event")
    await asyncio.sleep(0)
    assert transport.written == [b"head", b"first event", b"second event"]


@on_a_loop
async def test_what_is_held_goes_out_before_the_end(transport):
    holder = HeadHolder(transport, asyncio.get_running_loop())
    holder.write(b"head")
    holder.close()
    await asyncio.sleep(0)
    assert transport.written == [b"head", b"closed"]


@on_a_loop
async def test_an_answer_without_a_body_waits_for_nothing():
    async with LiveServer() as server:
        connection = await server.connect()
        await server.until(lambda: server.connections)
        (serving,) = server.connections
        await connection.send(request("/v2", b"", "HEAD"))
        await server.until(lambda: serving.cycle is not None)
        assert serving.cycle.transport is serving.transport
        assert (await connection.reply(has_body=False)).status == 405


@on_a_loop
async def test_of_requests_sent_ahead_each_has_its_whole_answer_in_turn():
    writes: list[bytes] = []

    async with LiveServer() as server:
        connection = await server.connect()
        await server.until(lambda: server.connections)
        (serving,) = server.connections
        inner = serving.transport

        class Watched:
            def __getattr__(self, name: str):
                return getattr(inner, name)

            def write(self, data: bytes) -> None:
                writes.append(bytes(data))
                inner.write(data)

        serving.transport = Watched()
        await connection.send(request() + request("/predict/nobody") + request("/v2", b"", "GET"))
        statuses = [(await connection.reply()).status for _ in range(3)]
    assert statuses == [200, 404, 200]
    assert [write[9:12] for write in writes] == [b"200", b"404", b"200"]
    assert all(b"\r\n\r\n{" in write for write in writes)
