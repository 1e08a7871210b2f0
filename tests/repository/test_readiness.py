"""Ready means: an inference succeeded lately, or one did just now."""

from __future__ import annotations

import asyncio

from memory_server import MemoryServer
from on_a_loop import on_a_loop

from service.repository import readiness


async def status(server: MemoryServer) -> tuple[int, dict]:
    answer = await server.client.get("/v2/health/ready")
    return answer.status_code, answer.json()


@on_a_loop
async def test_a_model_that_answered_lately_is_not_asked():
    async with MemoryServer() as server:
        assert (await status(server))[0] == 200
        assert not server.backends["sums"].batches


@on_a_loop
async def test_an_idle_model_is_asked_and_then_left_alone():
    async with MemoryServer() as server:
        server.clock.skipped_s = 31
        for _ in range(3):
            assert (await status(server))[0] == 200
        assert [len(backend.batches) for backend in server.backends.values()] == [1, 1, 1]


@on_a_loop
async def test_a_model_that_fails_its_canary_is_named():
    async with MemoryServer() as server:
        server.clock.skipped_s = 31
        server.backends["letters"].failures_left = 1
        code, told = await status(server)
        assert code == 503
        assert told["error"] == "not ready: letters/1 the device is on fire"
        assert (await status(server))[0] == 200


@on_a_loop
async def test_a_model_that_hangs_is_named_after_a_while(monkeypatch):
    monkeypatch.setattr(readiness, "_PATIENCE_S", 0.02)
    async with MemoryServer() as server:
        server.clock.skipped_s = 31
        server.backends["sums"].gate.clear()
        code, told = await status(server)
        assert code == 503
        assert told["error"] == "not ready: sums/1 has not answered within 0.02 s"


@on_a_loop
async def test_however_often_a_model_that_hangs_is_asked_canaries_do_not_pile_up(monkeypatch):
    monkeypatch.setattr(readiness, "_PATIENCE_S", 0.02)
    async with MemoryServer() as server:
        server.clock.skipped_s = 31
        backend = server.backends["sums"]
        backend.gate.clear()
        for _ in range(5):
            assert (await status(server))[0] == 503
        backend.gate.set()
        while (await status(server))[0] != 200:
            pass
        # One that was awaited, and one more where that one ended just as the last caller came.
        assert len(backend.batches) <= 2


@on_a_loop
async def test_a_caller_that_leaves_takes_nobody_s_canary_along():
    async with MemoryServer() as server:
        server.clock.skipped_s = 31
        backend = server.backends["sums"]
        backend.gate.clear()
        first = asyncio.create_task(status(server))
        assert await asyncio.to_thread(backend.entered.acquire, timeout=10)
        second = asyncio.create_task(status(server))
        first.cancel()
        await asyncio.wait([first])
        backend.gate.set()
        assert (await second)[0] == 200
        assert len(backend.batches) == 1


@on_a_loop
async def test_a_model_whose_numbers_are_not_finite_is_named():
    async with MemoryServer() as server:
        server.clock.skipped_s = 31
        server.backends["sums"].nan_on = {0.0}
        code, told = await status(server)
        assert code == 503
        assert told["error"] == "not ready: sums/1 answers its canary with what is not finite"
