"""Real runs, short ones: everything sent is counted once, whatever comes back."""

from __future__ import annotations

import asyncio
import math

import pytest
import uvloop

from load_tests.address import Address, free_address
from load_tests.closed_loop import drive
from load_tests.http_requests import post
from load_tests.process_usage import cpu_seconds
from load_tests.server_process import bare_server

_SECONDS = 0.2


class CountingServer(asyncio.Protocol):
    """Answers each request by its number: one in five 503, one in seven by hanging up, the rest 200."""

    requests = 0
    refused = 0
    dropped = 0

    def connection_made(self, transport):
        self._transport = transport

    def data_received(self, data):
        number = CountingServer.requests = CountingServer.requests + 1
        if number % 7 == 0:
            CountingServer.dropped += 1
            self._transport.close()
        elif number % 5 == 0:
            CountingServer.refused += 1
            self._transport.write(b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy")
        else:
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


async def _drive_counting_server(connections):
    address = free_address()
    loop = asyncio.get_running_loop()
    async with await loop.create_server(CountingServer, address.host, address.port):
        return await drive(address, [post(address, "/", b"{}")], connections, _SECONDS)


def test_every_request_the_server_saw_is_an_answer_or_an_error():
    summary = uvloop.run(_drive_counting_server(connections=3))
    seen = CountingServer
    assert seen.dropped > 0 < seen.refused
    assert summary.errors == {"503": seen.refused, "closed": seen.dropped}
    assert summary.requests == seen.requests - seen.refused - seen.dropped


def test_a_bare_server_is_measured_without_errors_and_its_figures_agree_with_each_other():
    with bare_server(answer_bytes=123) as server:
        before_s = cpu_seconds(server.pid)
        summary = uvloop.run(drive(server.address, [post(server.address, "/", b"{}")], 4, _SECONDS))
        used_s = cpu_seconds(server.pid) - before_s
    assert summary.requests > 0
    assert summary.errors == {}
    assert summary.answer_bytes == 123
    assert summary.elapsed_s >= _SECONDS
    assert math.isclose(summary.requests_per_s, summary.requests / summary.elapsed_s)
    assert 0 < summary.p50_ms <= summary.p90_ms <= summary.p99_ms <= summary.elapsed_s * 1e3
    assert 0 < used_s <= summary.elapsed_s + 0.1


def test_a_server_that_is_not_there_ends_the_run():
    with pytest.raises(OSError, match="111"):
        uvloop.run(drive(Address("127.0.0.1", free_address().port), [b""], 2, _SECONDS))
