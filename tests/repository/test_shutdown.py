"""Stopped in the middle of things, a server ends soon, and leaves nothing open and no process behind."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest
from fakes import RunningSumBackend
from memory_server import MemoryServer
from on_a_loop import on_a_loop

from service import app as app_module
from service.backends import engine_thread
from service.backends.protocol import Backend, Capability
from service.repository.child_process import report_of
from service.repository.scanner import Bundle


class GpuBackend(RunningSumBackend):
    def __init__(self) -> None:
        super().__init__()
        self.has_closed = threading.Event()

    @property
    def capability(self) -> Capability:
        return Capability("gpu", engine="tensorrt")

    def close(self) -> None:
        super().close()
        self.has_closed.set()


class Source:
    """An engine whose loading takes until the test opens the gate."""

    name = "tensorrt"

    def __init__(self) -> None:
        self.is_loading = threading.Event()
        self.may_load = threading.Event()
        self.backend = GpuBackend()

    def tolerance(self, bundle: Bundle) -> float:
        return 1e-3

    async def prepare(self, bundle: Bundle) -> None:
        """Nothing to prepare."""

    def load(self, bundle: Bundle) -> Backend:
        self.is_loading.set()
        self.may_load.wait(25)
        return self.backend


async def accelerated(server: MemoryServer, source: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module, "engine_sources", lambda _settings: [source])
    server.carousel.acceleration.begin()
    for model in server.carousel.registry.models:
        server.carousel.acceleration.add(model)


@on_a_loop
async def test_an_engine_that_is_being_loaded_does_not_hold_up_the_end_and_is_closed(monkeypatch):
    async with MemoryServer() as server:
        source = Source()
        await accelerated(server, source, monkeypatch)
        assert await asyncio.to_thread(source.is_loading.wait, 10)
        await server.carousel.stop()
    await asyncio.get_running_loop().shutdown_default_executor()
    source.may_load.set()
    assert source.backend.has_closed.wait(10)


@on_a_loop
async def test_an_engine_that_hangs_while_it_is_proved_does_not_hold_up_the_end_and_is_closed(monkeypatch):
    monkeypatch.setattr(engine_thread, "_LEAVE_S", 0.05)
    async with MemoryServer() as server:
        source = Source()
        source.may_load.set()
        source.backend.gate.clear()
        await accelerated(server, source, monkeypatch)
        assert await asyncio.to_thread(source.backend.entered.acquire, timeout=10)
        await server.carousel.stop()
        assert not source.backend.is_closed
        source.backend.gate.set()
        assert await asyncio.to_thread(source.backend.has_closed.wait, 10)


class Building(Source):
    """Another process builds plans, and does not end."""

    async def prepare(self, bundle: Bundle) -> None:
        await report_of("program", [])


@on_a_loop
async def test_a_plan_that_is_being_built_ends_with_the_server(monkeypatch, tmp_path):
    pipe = tmp_path / "pid"
    os.mkfifo(pipe)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    lines = ("import os, time", f"open({str(pipe)!r}, 'w').write(str(os.getpid()))", "time.sleep(600)")
    (tmp_path / "program.py").write_text("\n".join(lines))
    async with MemoryServer() as server:
        await accelerated(server, Building(), monkeypatch)
        pid = int(await asyncio.to_thread(pipe.read_text))
        await server.carousel.stop()
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@on_a_loop
async def test_acceleration_that_fails_before_it_begins_is_told(monkeypatch, capsys):
    async with MemoryServer() as server:

        def breaks(settings):
            raise OSError("the driver's library is torn")

        monkeypatch.setattr(app_module, "engine_sources", breaks)
        server.carousel.acceleration.begin()
        await server.carousel.acceleration.add(server.carousel.registry.find("sums"))
    assert "the driver's library is torn" in capsys.readouterr().out


@on_a_loop
async def test_hanging_engines_are_waited_for_together(monkeypatch):
    monkeypatch.setattr(engine_thread, "_LEAVE_S", 0.2)
    async with MemoryServer() as server:
        requests = [await server.hold(name) for name in ("sums", "running")]
        for request in requests:
            request.cancel()
        started = asyncio.get_running_loop().time()
        await server.carousel.stop()
        assert asyncio.get_running_loop().time() - started < 5
