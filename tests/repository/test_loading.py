"""While a bundle is being loaded: what callers are told, what ends it, and on which engines it comes."""

from __future__ import annotations

import asyncio
import gc
import threading

import numpy as np
import pytest
from changing_models import ChangingServer, changing
from memory_server import MemoryServer
from on_a_loop import on_a_loop
from spoilt_bundles import golden_is_off, seal

from service import app as app_module
from service.backends.onnxruntime_backend import OnnxRuntimeBackend
from service.backends.protocol import Artifact, Backend, Capability
from service.domain.inference import InferRequest
from service.repository import loader as loader_module
from service.repository import readiness
from service.repository.scanner import Bundle


class SlowBackend(OnnxRuntimeBackend):
    """Loads when the test says so."""

    is_loading = threading.Event()
    may_load = threading.Event()

    def load(self, artifact: Artifact) -> None:
        self.is_loading.set()
        self.may_load.wait(20)
        super().load(artifact)


@pytest.fixture
def slow(monkeypatch):
    """From now on what is loaded takes its time."""

    def begin() -> type[SlowBackend]:
        SlowBackend.is_loading.clear()
        SlowBackend.may_load.clear()
        monkeypatch.setattr(loader_module, "create_backend", lambda _: SlowBackend())
        return SlowBackend

    yield begin
    SlowBackend.may_load.set()


async def loading(server: ChangingServer, slow: type[SlowBackend], name: str) -> asyncio.Task:
    task = asyncio.create_task(server.load(name))
    assert await asyncio.to_thread(slow.is_loading.wait, 10)
    return task


@on_a_loop
async def test_a_model_that_is_loaded_for_the_first_time_is_unavailable_and_the_others_serve(
    tmp_path, contents, slow
):
    for name in ("gait", "walk"):
        contents.put(tmp_path, "a", name=name)
    async with changing(tmp_path) as server:
        gate = slow()
        task = await loading(server, gate, "walk")
        for path in ("walk", "walk/versions/1"):
            refusal = await server.ask(path)
            assert (refusal.status_code, refusal.json()["error"]) == (503, "model: walk/1 is loading")
        assert await server.serving() == ("1", "a")
        gate.may_load.set()
        assert (await task).status_code == 200
        assert await server.serving("walk") == ("1", "a")


@on_a_loop
async def test_a_version_is_told_to_be_loading_while_the_one_before_serves(tmp_path, contents, slow):
    contents.put(tmp_path, "a")
    async with changing(tmp_path) as server:
        gate = slow()
        contents.put(tmp_path, "b", "2")
        task = await loading(server, gate, "gait")
        assert await server.index() == {"1": ("READY", ""), "2": ("LOADING", "")}
        assert await server.serving() == ("1", "a")
        gate.may_load.set()
        await task
        assert await server.serving() == ("2", "b")


@on_a_loop
async def test_a_load_ends_with_the_server(tmp_path, contents, slow):
    contents.put(tmp_path, "a")
    async with changing(tmp_path) as server:
        gate = slow()
        contents.put(tmp_path, "b", "2")
        task = await loading(server, gate, "gait")
        server.carousel.lifecycle.stop_loading()
        refusal = await task
        assert refusal.status_code == 503
        assert refusal.json()["error"] == "the server is draining: it loads and unloads no more"
        assert (await server.unload()).status_code == 503
        assert await server.serving() == ("1", "a")
        assert await server.index() == {"1": ("READY", "")}
        gate.may_load.set()


@on_a_loop
async def test_who_asked_for_a_load_may_leave(tmp_path, contents, slow):
    contents.put(tmp_path, "a")
    async with changing(tmp_path) as server:
        gate = slow()
        contents.put(tmp_path, "b", "2")
        task = await loading(server, gate, "gait")
        task.cancel()
        gate.may_load.set()
        assert (await server.load()).status_code == 200
        assert await server.serving() == ("2", "b")
        assert server.metric("model_loads_total", model="gait", result="success") == 2


@on_a_loop
async def test_a_load_that_fails_after_its_caller_left_is_told_as_such_and_not_as_a_forgotten_exception(
    tmp_path, contents, slow
):
    contents.put(tmp_path, "a")
    async with changing(tmp_path) as server:
        forgotten = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: forgotten.append(context))
        gate = slow()
        spoilt = contents.put(tmp_path, "b", "2")
        golden_is_off(spoilt)
        seal(spoilt)
        caller = asyncio.create_task(server.carousel.lifecycle.load("gait"))
        assert await asyncio.to_thread(gate.is_loading.wait, 10)
        caller.cancel()
        gate.may_load.set()
        await server.load()
        # With it goes what it knows of the load.
        del caller
        gc.collect()
        assert not forgotten
        assert (await server.index())["2"][0] == "UNAVAILABLE"


class FastBackend(OnnxRuntimeBackend):
    @property
    def capability(self) -> Capability:
        return Capability("gpu", engine="tensorrt")


class Source:
    """A GPU's engine: it is told which bundles come, and which version served when they did."""

    name = "tensorrt"

    def __init__(self) -> None:
        self.came: list[tuple[str, list[str]]] = []
        self.server: ChangingServer

    def tolerance(self, bundle: Bundle) -> float:
        return 1e-3

    async def prepare(self, bundle: Bundle) -> None:
        serving = sorted(self.server.carousel.registry.serving("gait"))
        self.came.append((bundle.manifest.version, serving))

    def load(self, bundle: Bundle) -> Backend:
        backend = FastBackend()
        backend.load(bundle.artifact)
        return backend


@on_a_loop
async def test_what_replaces_a_version_on_the_gpu_is_there_before_it_serves(tmp_path, contents, monkeypatch):
    source = Source()
    monkeypatch.setattr(app_module, "engine_sources", lambda _: [source])
    contents.put(tmp_path, "a")
    server = ChangingServer(tmp_path, engines=("tensorrt",))
    source.server = server
    await server.carousel.start()
    await asyncio.gather(*server.carousel.acceleration._tasks.values())
    assert (await server.ask()).json()["device"] == "gpu"
    contents.put(tmp_path, "b", "2")
    assert (await server.load()).status_code == 200
    assert (await server.ask()).json()["device"] == "gpu"
    assert source.came == [("1", ["1"]), ("2", ["1"])]
    await server.carousel.stop()


@on_a_loop
async def test_a_model_that_leaves_while_its_health_is_asked_still_answers():
    async with MemoryServer() as server:
        server.clock.skipped_s = 31
        model = server.carousel.registry.find("sums")
        asked = asyncio.create_task(readiness.faults([model]))
        await asyncio.sleep(0)
        await model.close()
        assert await asked == {}
        server.carousel.registry.replace("sums", [])


@on_a_loop
async def test_between_looking_up_a_model_and_queueing_for_it_nothing_else_runs():
    """Else a model could leave in between, and a request be refused that its successor would answer."""
    async with MemoryServer() as server:
        request = InferRequest("sums", [np.ones((1, 2), np.float32)], None, None, lambda: False)
        asking = server.carousel.predictor.infer(request)
        asking.send(None)
        assert server.carousel.registry.find("sums").scheduler.waiting == 1
        asking.close()
