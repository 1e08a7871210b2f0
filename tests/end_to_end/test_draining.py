"""SIGTERM: whoever was accepted is answered, then the server ends with status 0."""

from __future__ import annotations

import asyncio
import json
import signal

import pytest
from carousel_process import CarouselProcess
from live_server import Connection, request

CALLERS = 32
# Keeps the engine busy while the others are being accepted; one row at a time, it comes first.
LONG = json.dumps({"sequences": ["abcdefgh" * 4000] * 5}).encode()
SHORT = b'{"sequence": "abcdefgh"}'


async def connect(address: str) -> Connection:
    host, port = address.removeprefix("http://").split(":")
    return Connection(*await asyncio.open_connection(host, int(port)))


async def waiting(observer: Connection) -> float:
    """How many sequences the server says are queued."""
    await observer.send(request("/metrics", b"", "GET"))
    lines = (await observer.reply()).body.decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("carousel_waiting_sequences{"))


async def readiness(observer: Connection) -> int:
    await observer.send(request("/v2/health/ready", b"", "GET"))
    return (await observer.reply()).status


async def signal_and_collect(server: CarouselProcess, number: int) -> list[bytes]:
    """Answers of callers that were all queued, behind a busy engine, when the signal came."""
    observer, *callers = [await connect(server.address) for _ in range(CALLERS + 1)]
    assert await readiness(observer) == 200
    await callers[0].send(request("/predict/letters", LONG))
    while not await waiting(observer):
        pass
    for caller in callers[1:]:
        await caller.send(request("/predict/letters", SHORT))
    while await waiting(observer) < CALLERS - 1:
        pass
    server.process.send_signal(number)
    while (status := await readiness(observer)) == 200:
        pass
    assert status == 503
    replies = [await caller.reply() for caller in callers]
    assert [reply.status for reply in replies] == [200] * CALLERS
    for connection in (observer, *callers):
        await connection.leave()
    return [reply.body for reply in replies]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_all_in_flight_are_answered_and_the_server_says_it_is_not_ready(published, number):
    with CarouselProcess(
        published, max_batch_rows="1", drain_delay_s="1", header_timeout_s="40", whole_sequences="letters"
    ) as server:
        first, *others = [json.loads(body) for body in asyncio.run(signal_and_collect(server, number))]
        assert server.wait() == 0
    assert len(first["predictions"]) == 5
    assert len({str(answer["predictions"]) for answer in others}) == 1
    assert '"event":"draining"' in server.said
    assert '"event":"stopped"' in server.said
    assert '"level":"error"' not in server.said
