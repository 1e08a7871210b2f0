"""Both doors at their limits: deadlines, full queues, failing engines, very long sequences."""

from __future__ import annotations

import asyncio

import pytest
from doors import DOORS, FINE, body_of, with_timeout
from memory_server import MemoryServer
from on_a_loop import on_a_loop


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("limit", [-1, -0.5, "5", [5], {}, True])
@on_a_loop
async def test_a_timeout_that_is_no_time_is_refused_by_name(limit, door):
    async with MemoryServer() as server:
        refusal = await server.post(DOORS[door].format("sums"), with_timeout(door, limit))
        assert refusal.status_code == 400
        assert "timeout" in refusal.json()["error"].split(":")[0]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("limit", [1e300, 10**25, 1e9])
@on_a_loop
async def test_an_absurdly_long_timeout_is_granted(limit, door):
    async with MemoryServer() as server:
        answer = await server.post(DOORS[door].format("sums"), with_timeout(door, limit))
        assert answer.status_code == 200


@pytest.mark.parametrize("door", DOORS)
@on_a_loop
async def test_a_deadline_that_passes_is_told_and_harms_nobody(door):
    async with MemoryServer() as server:
        neighbour = await server.hold()
        short = {"predict": 0.5, "infer": 500}[door]
        refusal = await server.post(DOORS[door].format("sums"), with_timeout(door, short))
        assert refusal.status_code == 504
        assert "deadline" in refusal.json()["error"]
        server.backends["sums"].gate.set()
        assert (await neighbour).status_code == 200
        assert server.metric("rejected_total", reason="deadline") == 1


@pytest.mark.parametrize("door", DOORS)
@on_a_loop
async def test_a_full_queue_says_when_to_come_back(door):
    async with MemoryServer(max_waiting_rows=2) as server:
        running = await server.hold()
        waiting = [asyncio.create_task(server.post(DOORS[door].format("sums"), FINE[door])) for _ in range(2)]
        while server.metric("waiting_sequences", model="sums", version="1") < 2:
            await asyncio.wait(waiting, timeout=0.001)
        refusal = await server.post(DOORS[door].format("sums"), FINE[door])
        assert refusal.status_code == 429
        assert "the queue is full: 2 sequences wait" in refusal.json()["error"]
        assert int(refusal.headers["retry-after"]) >= 1
        server.backends["sums"].gate.set()
        for request in [running, *waiting]:
            assert (await request).status_code == 200


@pytest.mark.parametrize("door", DOORS)
@on_a_loop
async def test_an_engine_that_fails_one_sequence_tells_its_own_words_and_answers_the_next(door):
    async with MemoryServer() as server:
        server.backends["sums"].fails_on = {1.0}
        refusal = await server.post(DOORS[door].format("sums"), FINE[door])
        assert refusal.status_code == 500
        assert "the device is on fire" in refusal.json()["error"]
        server.backends["sums"].fails_on = set()
        assert (await server.post(DOORS[door].format("sums"), FINE[door])).status_code == 200


@pytest.mark.parametrize("door", DOORS)
@on_a_loop
async def test_a_million_steps_are_refused_by_their_number(door):
    async with MemoryServer() as server:
        letters = "[" + "0," * 999_999 + "0]"
        body = body_of(door, letters, (1_000_000,), "letters")
        refusal = await server.post(DOORS[door].format("letters"), body)
        assert refusal.status_code == 413
        assert "1000000 steps, at most 32768" in refusal.json()["error"]
