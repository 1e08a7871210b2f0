"""One guarded engine: what counts as an answer, and whose fault a failure is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from engines import Engines, batch_of
from faulty import FaultyEngine, fails, poisons
from on_a_loop import on_a_loop

from service.backends.engine_thread import judged
from service.domain.batches import BatchResult
from service.domain.signature import Readout
from service.errors import EngineOutOfMemory


def short_of_a_row(engine, batch, on_outcome):
    """The result of a batch that was not this one."""
    on_outcome(engine.run(batch.part(0, batch.rows - 1)))


def short_and_poisoned(engine, batch, on_outcome):
    result = engine.run(batch.part(0, batch.rows - 1))
    on_outcome(judged(replace(result, output=result.output * np.float32(np.nan)), "tensorrt"))


def without_states(engine, batch, on_outcome):
    on_outcome(replace(engine.run(batch), states=()))


def out_of_memory(engine, batch, on_outcome):
    on_outcome(EngineOutOfMemory("no room"))


def raises(batch, result):
    raise MemoryError


@pytest.mark.parametrize("fault", [short_of_a_row, short_and_poisoned, without_states])
@pytest.mark.parametrize("readout", list(Readout))
def test_a_result_that_is_not_the_batch_s_is_no_answer(fault, readout):
    engines = Engines(readout)
    engines.gpu.plan.append(fault)
    batch = batch_of(3, 4)
    outcome = engines.run(batch)
    assert isinstance(outcome, BatchResult)
    assert (outcome.device, outcome.output.shape) == ("cpu", engines.cpu.run(batch).output.shape)


@pytest.mark.parametrize("readout", list(Readout))
def test_a_half_that_is_not_the_batch_s_moves_the_batch(readout):
    engines = Engines(readout)
    engines.gpu.plan.extend([out_of_memory, None, without_states])
    assert engines.run(batch_of(3, 4)).device == "cpu"


@pytest.mark.parametrize("readout", list(Readout))
def test_numbers_that_no_engine_can_answer_are_not_the_engine_s_fault(readout):
    engines = Engines(readout)
    for _ in range(9):
        engines.gpu.plan.append(poisons)
        engines.cpu.plan.append(poisons)
        engines.run(batch_of(3, 4))
    assert not engines.fallback.is_degraded


def test_an_engine_that_is_not_needed_may_be_out_of_use_without_degrading_anything():
    engines = Engines()
    second = FaultyEngine("onnxruntime-cuda", "gpu")
    engines.fallback.join(engines.guard(second), 1)
    for _ in range(3):
        engines.gpu.plan.append(fails)
        second.plan.append(fails)
        engines.run(batch_of(2))
        engines.gpu.plan.append(None)
        engines.run(batch_of(2))
    assert second.capability not in [engine.capability for engine in engines.fallback.in_use()]
    assert not engines.fallback.is_degraded
    assert not engines.run(batch_of(2)).is_degraded


def test_an_observer_that_raises_costs_nobody_an_answer():
    engines = Engines()
    seen = []
    engines.fallback.observe(raises)
    engines.fallback.observe(lambda _batch, result: seen.append(result.device))
    assert engines.device_of(batch_of(3)) == "gpu"
    assert seen == ["gpu"]


@on_a_loop
async def test_a_stopped_engine_is_probed_no_more():
    engines = Engines()
    engines.gpu.plan.extend([fails] * 3)
    for _ in range(3):
        engines.run(batch_of(2))
    await engines.fallback.stop()
    runs = len(engines.gpu.rows_run)
    engines.clock.advance(100)
    assert len(engines.gpu.rows_run) == runs


def test_a_better_engine_that_joins_late_is_tried_first():
    engines = Engines()
    better = FaultyEngine("tensorrt-rtx", "gpu")
    engines.fallback.join(engines.guard(better), -1)
    assert engines.run(batch_of(2)).engine == "tensorrt-rtx"


@pytest.mark.parametrize("readout", list(Readout))
def test_halves_took_as_long_as_both_and_are_finite_where_both_are(readout):
    engines = Engines(readout)
    engines.gpu.most_rows = 1
    outcome = engines.run(batch_of(5, 2))
    assert outcome.compute_s == 2 * engines.gpu.run(batch_of(5)).compute_s
    # The second row's output is not a number past its two steps.
    assert outcome.is_finite == engines.cpu.run(batch_of(5, 2)).is_finite
