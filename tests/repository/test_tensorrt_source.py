"""What TensorRT's engine source makes of the builder's report, and of a backend that fails to warm up."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from on_a_loop import on_a_loop

from service.backends.device_table import StateRoom
from service.errors import EngineFailed, EngineOutOfMemory
from service.plans.cache import PlanCache
from service.plans.driver import Gpu
from service.plans.plan import Precision
from service.repository import engine_sources as module
from service.repository.engine_sources import TensorRtSource
from service.settings import Settings

H200 = Gpu("NVIDIA H200", (9, 0), 139 << 30, (13, 0))
BUNDLE: Any = SimpleNamespace(
    folder=Path("models/sums/1"), manifest=SimpleNamespace(name="sums"), artifact=SimpleNamespace(signature=1)
)


@pytest.fixture
def source(tmp_path):
    flavour: Any = SimpleNamespace(name="tensorrt")
    return TensorRtSource(flavour, H200, PlanCache(tmp_path), Precision.FP32, StateRoom(64, 1 << 20))


@pytest.fixture
def tried(monkeypatch):
    """The engines that were tried."""
    engines = []

    async def note(_bundle, engine):
        engines.append(engine)

    monkeypatch.setattr(module, "tried", note)
    return engines


def reports(monkeypatch: pytest.MonkeyPatch, report: dict[str, Any]) -> None:
    async def report_of(_module, _arguments, _limit_s):
        return report

    monkeypatch.setattr(module, "report_of", report_of)


GOOD, REFUSED = {"profile": "16", "digest": "0"}, {"profile": "64", "refused": "node 7"}


@on_a_loop
async def test_an_engine_may_lack_some_profiles(source, tried, monkeypatch):
    reports(monkeypatch, {"ok": False, "plans": [GOOD, REFUSED]})
    await source.prepare(BUNDLE)
    assert tried == ["tensorrt"]


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        ({"ok": False, "plans": [REFUSED, REFUSED]}, "64: node 7; 64: node 7"),
        ({"ok": False, "error": "no such bundle"}, "no such bundle"),
    ],
)
@on_a_loop
async def test_an_engine_without_any_is_refused_and_not_tried(source, tried, monkeypatch, report, reason):
    reports(monkeypatch, report)
    with pytest.raises(EngineFailed, match=reason):
        await source.prepare(BUNDLE)
    assert not tried


class Backend:
    """Notes what becomes of it."""

    def __init__(self, *_: Any) -> None:
        self.calls: list[str] = []

    def load(self, _artifact: Any) -> None:
        self.calls.append("load")

    def close(self) -> None:
        self.calls.append("close")


@pytest.mark.parametrize("fails", [0, 1, 2])
def test_a_loaded_backend_is_warm_or_closed_and_tried_again_without_a_table_of_states(
    source, monkeypatch, fails
):
    backend, rooms = Backend(), []

    def made(*_: Any, room: StateRoom | None) -> Backend:
        rooms.append(room)
        return backend

    def warm_up(warmed, _signature):
        warmed.calls.append("warm up")
        if len(rooms) <= fails:
            raise EngineOutOfMemory("no room for the graphs")

    monkeypatch.setattr(TensorRtSource, "plans", lambda _self, _bundle: [b"plan"])
    for name in ("CudaPython", "TensorRtRuntime"):
        monkeypatch.setattr(module, name, lambda *_: None)
    monkeypatch.setattr(module, "TensorRtBackend", made)
    monkeypatch.setattr(module, "warm_up", warm_up)
    if fails == 2:
        with pytest.raises(EngineOutOfMemory):
            source.load(BUNDLE)
    else:
        assert source.load(BUNDLE) is backend
    assert rooms == [source.room, None][: fails + 1]
    failed = ["load", "warm up", "close"] * fails
    assert backend.calls == (failed if fails == 2 else [*failed, "load", "warm up"])


def test_states_rest_on_the_host_where_sessions_are_saved_while_they_run(monkeypatch):
    monkeypatch.setattr(module, "load_flavour", lambda _: None)
    rooms = [
        module.engine_sources(settings, lambda: H200)[0].room
        for settings in (Settings(engines=("tensorrt",)), Settings(engines=("tensorrt",), session_save_s=1.0))
    ]
    assert [room.rows > 0 for room in rooms] == [True, False]
