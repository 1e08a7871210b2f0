"""Ready means: an inference succeeded lately, or one did just now."""

from __future__ import annotations

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
