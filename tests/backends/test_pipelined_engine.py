"""An engine thread before a backend that takes two batches: the next is started before one is waited for."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
from fakes import RunningSumBackend
from on_a_loop import on_a_loop

from service.backends import engine_thread
from service.backends.engine_thread import EngineThread
from service.backends.protocol import Capability
from service.domain.batches import Batch, BatchResult


def batch_named(name: float) -> Batch:
    sequence = np.full((2, 1, 2), name, np.float32)
    return Batch(sequence, np.array([2], np.int32), (np.zeros((1, 2), np.float32),))


class Pipelined(RunningSumBackend):
    """Notes what is started and finished; the first start waits until the test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, float]] = []
        self.is_starting = threading.Event()
        self.may_start = threading.Event()
        self.refuses: set[float] = set()

    @property
    def capability(self) -> Capability:
        return Capability("gpu", engine="tensorrt", in_flight=2)

    def start(self, batch: Batch) -> Batch:
        name = float(batch.sequence[0, 0, 0])
        self.calls.append(("start", name))
        self.is_starting.set()
        assert self.may_start.wait(10)
        if name in self.refuses:
            raise RuntimeError("cannot be started")
        return batch

    def finish(self, pending: Batch) -> BatchResult:
        self.calls.append(("finish", float(pending.sequence[0, 0, 0])))
        return self.run(pending)


async def run_three(backend: Pipelined) -> list:
    """Outcomes of three batches, all of them handed in before the first is started."""
    engine = EngineThread(backend, "test", asyncio.get_running_loop())
    outcomes: list = []
    for name in (1.0, 2.0, 3.0):
        engine.submit(batch_named(name), outcomes.append)
    backend.may_start.set()
    engine.start()
    await engine.stop()
    return outcomes


@on_a_loop
async def test_the_next_batch_is_started_before_one_is_waited_for():
    backend = Pipelined()
    outcomes = await run_three(backend)
    assert [outcome.engine for outcome in outcomes] == ["tensorrt"] * 3
    assert backend.calls == [
        ("start", 1),
        ("start", 2),
        ("finish", 1),
        ("start", 3),
        ("finish", 2),
        ("finish", 3),
    ]


@on_a_loop
async def test_what_cannot_be_started_fails_alone():
    backend = Pipelined()
    backend.refuses = {2.0}
    outcomes = await run_three(backend)
    assert [str(outcome) for outcome in outcomes if isinstance(outcome, Exception)] == ["cannot be started"]
    assert [name for call, name in backend.calls if call == "finish"] == [1, 3]


@on_a_loop
async def test_told_to_stop_while_one_is_started_it_finishes_that_one_and_ends(monkeypatch):
    monkeypatch.setattr(engine_thread, "_LEAVE_S", 5.0)
    backend = Pipelined()
    engine = EngineThread(backend, "test", asyncio.get_running_loop())
    engine.start()
    outcomes = []
    engine.submit(batch_named(1.0), outcomes.append)
    await asyncio.to_thread(backend.is_starting.wait, 10)
    stopping = asyncio.create_task(engine.stop())
    await asyncio.wait([stopping], timeout=0)
    backend.may_start.set()
    await stopping
    assert backend.is_closed
    assert len(outcomes) == 1
