"""Faster engines join models that serve already, or are refused with the reason; nobody waits for them."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

import pytest
from fakes import RunningSumBackend
from memory_server import MemoryServer
from on_a_loop import on_a_loop

from service.backends.protocol import Backend, Capability
from service.domain.batches import Batch, BatchResult
from service.errors import EngineFailed
from service.repository import acceleration
from service.repository.acceleration import Accelerator
from service.repository.scanner import Bundle

SUM = {"sequence": [[1, 1], [2, 1]]}


class GpuBackend(RunningSumBackend):
    """The same sums on another device, off by what a test says."""

    off = 0.0

    @property
    def capability(self) -> Capability:
        return Capability("gpu", engine="tensorrt")

    def run(self, batch: Batch) -> BatchResult:
        result = super().run(batch)
        return replace(result, output=result.output + self.off, device="gpu")


class Source:
    """A kind of engine whose making a test holds up or spoils."""

    name = "tensorrt"

    def __init__(self, backend: type[GpuBackend] = GpuBackend) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.failure: Exception | None = None
        self.backends: dict[str, GpuBackend] = {}
        self._backend = backend

    def tolerance(self, bundle: Bundle) -> float:
        return 1e-3

    async def prepare(self, bundle: Bundle) -> None:
        await self.gate.wait()
        if self.failure:
            raise self.failure

    def load(self, bundle: Bundle) -> Backend:
        signature = bundle.manifest.signature
        made = self._backend(signature.readout, signature.symbol_count)
        self.backends[bundle.manifest.name] = made
        made.load(bundle.artifact)
        return made


def accelerating(server: MemoryServer, source: Source) -> asyncio.Task[None]:
    accelerator = Accelerator([source], server.clock, stall_s=5.0)
    return asyncio.create_task(accelerator.accelerate(server.carousel.registry.models))


def state(server: MemoryServer, name: str, value: str) -> float:
    return server.metric("engine_state", model=name, version="1", engine="tensorrt", state=value)


async def device_of(server: MemoryServer) -> str:
    answer = (await server.post("/predict/sums", SUM)).json()
    assert answer["predictions"] == [{"output": [2.0, 14.0]}]
    return answer["device"]


@on_a_loop
async def test_until_an_engine_is_ready_the_cpu_answers_and_then_the_gpu_does():
    async with MemoryServer() as server:
        source = Source()
        source.gate.clear()
        task = accelerating(server, source)
        assert await device_of(server) == "fake"
        assert state(server, "letters", "building") == 1
        source.gate.set()
        await task
        assert state(server, "sums", "in_use") == 1
        assert state(server, "sums", "building") == 0
        assert await device_of(server) == "gpu"
        told = (await server.client.get("/v2/models/sums/ready")).json()
        assert (told["engine"], told["degraded"]) == ("tensorrt", False)


@on_a_loop
async def test_every_model_gets_its_engine():
    async with MemoryServer() as server:
        source = Source()
        await accelerating(server, source)
        assert sorted(source.backends) == ["letters", "running", "sums"]
        for model in server.carousel.registry.models:
            assert list(model.engines.engines) == ["tensorrt", "onnxruntime"]
        await server.carousel.registry.close()
        assert all(backend.is_closed for backend in source.backends.values())


@pytest.mark.parametrize("failure", [EngineFailed("no plan can be built: node 7"), RuntimeError("boom")])
@on_a_loop
async def test_an_engine_that_cannot_be_made_is_refused_with_the_reason(failure):
    async with MemoryServer() as server:
        source = Source()
        source.failure = failure
        await accelerating(server, source)
        assert state(server, "sums", "refused") == 1
        told = (await server.client.get("/v2/models/sums/ready")).json()
        assert told["refused_engines"] == {"tensorrt": str(failure)}
        assert not told["degraded"]
        assert await device_of(server) == "fake"
        assert f"no tensorrt: {failure}" in (await server.client.get("/")).text


class WrongBackend(GpuBackend):
    off = 0.01


class DyingBackend(GpuBackend):
    def run(self, batch: Batch) -> BatchResult:
        raise RuntimeError("an illegal memory access")


class UnloadableBackend(GpuBackend):
    def load(self, artifact) -> None:
        raise EngineFailed("the plan is for another GPU")


@pytest.mark.parametrize(
    ("backend", "reason"),
    [
        (DyingBackend, "an illegal memory access"),
        (UnloadableBackend, "the plan is for another GPU"),
    ],
)
@on_a_loop
async def test_an_engine_that_does_not_work_never_serves(backend, reason):
    async with MemoryServer() as server:
        source = Source(backend)
        await accelerating(server, source)
        told = (await server.client.get("/v2/models/sums/ready")).json()
        assert reason in told["refused_engines"]["tensorrt"]
        assert await device_of(server) == "fake"


@on_a_loop
async def test_an_engine_whose_answers_are_off_never_serves():
    async with MemoryServer() as server:
        source = Source(WrongBackend)
        await accelerating(server, source)
        told = (await server.client.get("/v2/models/sums/ready")).json()
        assert "off by 0.01, its tolerance is 0.001" in told["refused_engines"]["tensorrt"]
        assert all(backend.is_closed for backend in source.backends.values())
        assert await device_of(server) == "fake"


@on_a_loop
async def test_an_engine_lost_in_service_is_seen_and_comes_back():
    async with MemoryServer() as server:
        source = Source()
        await accelerating(server, source)
        source.backends["sums"].failures_left = 3
        assert [await device_of(server) for _ in range(3)] == ["fake"] * 3
        assert state(server, "sums", "out_of_use") == 1
        assert (await server.client.get("/v2/health/ready")).json() == {"ready": True, "degraded": True}
        assert (await server.post("/predict/sums", SUM)).json()["degraded"] is True
        assert "a better engine is out of use" in (await server.client.get("/")).text
        model = server.carousel.registry.find("sums")
        model.engines.engines["tensorrt"]._probe()
        while model.engines.is_degraded:
            await asyncio.to_thread(source.backends["sums"].entered.acquire, timeout=5)
        assert state(server, "sums", "in_use") == 1
        assert await device_of(server) == "gpu"


class HangingSource(Source):
    """Loads for as long as the test wants, but only the first model."""

    def load(self, bundle: Bundle) -> Backend:
        if not self.backends:
            self.backends[bundle.manifest.name] = GpuBackend()
            assert self.release.wait(20)
            return self.backends[bundle.manifest.name]
        return super().load(bundle)


@on_a_loop
async def test_an_engine_that_hangs_while_it_loads_is_refused_and_the_other_models_get_theirs(monkeypatch):
    monkeypatch.setattr(acceleration, "_LOAD_S", 0.1)
    async with MemoryServer() as server:
        source = HangingSource()
        source.release = threading.Event()
        await accelerating(server, source)
        first, *others = server.carousel.registry.models
        assert first.refused_engines == {"tensorrt": "not loaded and proved within 0.1 s"}
        assert all("tensorrt" in model.engines.engines for model in others)
        source.release.set()
