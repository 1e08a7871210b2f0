"""An engine thread: in order, one at a time, and what fails belongs to its own batch."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest
from fakes import RunningSumBackend
from on_a_loop import on_a_loop

from service.backends import engine_thread
from service.backends.engine_thread import EngineThread
from service.domain.batches import Batch, BatchResult, Cuts
from service.domain.device_states import DeviceStates, ResidentState


def batch_named(name: float) -> Batch:
    sequence = np.full((2, 1, 2), name, np.float32)
    return Batch(sequence, np.array([2], np.int32), (np.zeros((1, 2), np.float32),))


class Inquisitive(RunningSumBackend):
    """Notes on which threads it is called, and whether two calls overlap."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[int] = set()
        self.running = 0
        self.most_running = 0

    def run(self, batch):
        self.threads.add(threading.get_ident())
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            return super().run(batch)
        finally:
            self.running -= 1


@pytest.fixture
def backend():
    return Inquisitive()


async def outcomes_of(engine: EngineThread, names: list[float]) -> list:
    loop = asyncio.get_running_loop()
    futures = [loop.create_future() for _ in names]
    for name, future in zip(names, futures, strict=True):
        engine.submit(batch_named(name), future.set_result)
    async with asyncio.timeout(10):
        return await asyncio.gather(*futures)


@on_a_loop
async def test_batches_run_in_order_on_one_thread_that_is_not_the_loop_s(backend):
    engine = EngineThread(backend, "test", asyncio.get_running_loop())
    engine.start()
    outcomes = await outcomes_of(engine, [3.0, 1.0, 2.0])
    assert all(isinstance(outcome, BatchResult) for outcome in outcomes)
    assert backend.names == [[3.0], [1.0], [2.0]]
    assert len(backend.threads) == backend.most_running == 1
    assert threading.get_ident() not in backend.threads
    await engine.stop()


@on_a_loop
async def test_a_failure_is_the_outcome_of_its_own_batch(backend):
    engine = EngineThread(backend, "test", asyncio.get_running_loop())
    engine.start()
    backend.fails_on = {1.0}
    outcomes = await outcomes_of(engine, [0.0, 1.0, 2.0])
    assert [isinstance(outcome, RuntimeError) for outcome in outcomes] == [False, True, False]
    await engine.stop()


@on_a_loop
async def test_an_outcome_is_told_on_the_event_loop(backend):
    engine = EngineThread(backend, "test", asyncio.get_running_loop())
    engine.start()
    told = asyncio.get_running_loop().create_future()
    engine.submit(batch_named(1.0), lambda _: told.set_result(threading.get_ident()))
    assert await told == threading.get_ident()
    await engine.stop()


@on_a_loop
async def test_stopping_finishes_what_was_submitted_and_then_closes_the_backend(backend):
    engine = EngineThread(backend, "test", asyncio.get_running_loop())
    engine.start()
    backend.gate.clear()
    outcomes = []
    for name in (0.0, 1.0, 2.0):
        engine.submit(batch_named(name), outcomes.append)
    stopping = asyncio.create_task(engine.stop())
    assert await asyncio.to_thread(backend.entered.acquire, timeout=10)
    assert not backend.is_closed
    backend.gate.set()
    await stopping
    assert backend.is_closed
    assert len(backend.names) == len(outcomes) == 3


class SlowToClose(Inquisitive):
    """Frees what it holds only when the test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.may_close = threading.Event()

    def close(self) -> None:
        assert self.may_close.wait(10)
        self.threads.add(threading.get_ident())
        super().close()


@on_a_loop
async def test_the_event_loop_goes_on_while_a_backend_is_closed():
    backend = SlowToClose()
    engine = EngineThread(backend, "test", asyncio.get_running_loop())
    engine.start()
    await outcomes_of(engine, [1.0])
    stopping = asyncio.create_task(engine.stop())
    asyncio.get_running_loop().call_later(0.01, backend.may_close.set)
    await stopping
    assert backend.is_closed
    assert len(backend.threads) == 1


@on_a_loop
async def test_a_backend_that_hangs_is_left_behind_and_closed_when_it_lets_go(backend, monkeypatch):
    monkeypatch.setattr(engine_thread, "_LEAVE_S", 0.02)
    engine = EngineThread(backend, "test", asyncio.get_running_loop())
    engine.start()
    backend.gate.clear()
    outcomes = []
    engine.submit(batch_named(1.0), outcomes.append)
    await engine.stop()
    assert not backend.is_closed
    backend.gate.set()
    await asyncio.to_thread(engine._thread.join, 10)
    assert backend.is_closed


def test_what_comes_after_the_loop_has_ended_harms_nothing(backend):
    loop = asyncio.new_event_loop()
    engine = EngineThread(backend, "test", loop)
    engine.start()
    backend.gate.clear()
    engine.submit(batch_named(1.0), pytest.fail)
    loop.close()
    backend.gate.set()
    engine._inbox.put(None)
    engine._thread.join(10)
    assert backend.is_closed


@on_a_loop
async def test_states_that_cannot_be_made_again_fail_their_own_batch_alone(backend):
    engine = EngineThread(backend, "test", asyncio.get_running_loop())
    engine.start()
    apart = (ResidentState((np.zeros(2, np.float32),)), ResidentState((np.zeros(3, np.float32),)))
    states = DeviceStates(None, apart, (None, None), has_step_outputs=False)
    failed = asyncio.get_running_loop().create_future()
    engine.submit(Batch(np.zeros((1, 2, 2), np.float32), np.ones(2, np.int32), (), states), failed.set_result)
    assert isinstance(await asyncio.wait_for(failed, 10), ValueError)
    assert [type(outcome) for outcome in await outcomes_of(engine, [1.0])] == [BatchResult]
    await engine.stop()


@on_a_loop
async def test_a_batch_that_is_to_be_cut_is_run_in_calls(backend):
    engine = EngineThread(backend, "test", asyncio.get_running_loop())
    engine.start()
    sequence = np.ones((5, 2, 2), np.float32)
    batch = Batch(
        sequence,
        np.array([2, 5], np.int32),
        (np.zeros((2, 2), np.float32),),
        cuts=Cuts((2,), has_step_outputs=False),
    )
    outcome = asyncio.get_running_loop().create_future()
    engine.submit(batch, outcome.set_result)
    result = await asyncio.wait_for(outcome, 10)
    await engine.stop()
    assert [ran.tolist() for ran in backend.batches] == [[2, 2], [3]]
    assert (result.calls, result.row_steps(batch), result.is_finite) == (2, 7, True)
    assert result.states[0][:, 0].tolist() == [2, 5]
