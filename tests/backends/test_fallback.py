"""What one engine cannot answer, the next does: exactly once, exactly right, and seen in the metrics."""

from __future__ import annotations

import numpy as np
import pytest
from engines import STALL_S, Engines, batch_of, due_of
from faulty import FaultyEngine, fails, hangs, poisons

from service.domain.batches import BatchResult
from service.domain.signature import Readout
from service.errors import EngineFailed, EngineOutOfMemory


def test_the_best_engine_answers_while_it_works():
    engines = Engines()
    outcome = engines.run(batch_of(5, 2))
    assert (outcome.device, outcome.engine, outcome.is_degraded) == ("gpu", "tensorrt", False)
    assert engines.fallback.capability.engine == "tensorrt"


@pytest.mark.parametrize(("fault", "reason"), [(fails, "error"), (poisons, "not_finite")])
def test_a_failed_batch_is_answered_by_the_next_engine(fault, reason):
    engines = Engines()
    engines.gpu.plan.append(fault)
    batch = batch_of(5, 2, 9)
    outcome = engines.run(batch)
    np.testing.assert_array_equal(outcome.output, due_of(batch))
    assert (outcome.device, outcome.is_degraded) == ("cpu", True)
    assert engines.failovers(reason) == 1
    assert engines.device_of(batch) == "gpu"


def test_a_stall_is_answered_by_the_next_engine_when_the_watchdog_barks():
    engines = Engines()
    engines.gpu.plan.append(hangs)
    assert engines.run(batch_of(5)) is None
    engines.clock.advance(STALL_S)
    assert engines.outcomes[-1].device == "cpu"
    assert engines.failovers("stall") == 1
    assert engines.device_of(batch_of(4)) == "cpu"
    assert engines.changes == [False]


def test_what_a_hanging_call_gives_in_the_end_reaches_nobody():
    engines = Engines()
    engines.gpu.plan.append(hangs)
    engines.run(batch_of(5))
    engines.clock.advance(STALL_S)
    engines.gpu.hanging.pop()()
    assert len(engines.outcomes) == 1


def test_a_long_batch_is_given_more_time_than_a_short_one():
    engines = Engines()
    engines.gpu.plan.append(hangs)
    engines.run(batch_of(4096))
    engines.clock.advance(3.9 * STALL_S)
    assert not engines.outcomes
    engines.clock.advance(0.2 * STALL_S)
    assert engines.outcomes[-1].device == "cpu"


def test_three_failures_in_a_row_take_the_engine_out_of_use_until_a_canary_returns():
    engines = Engines()
    engines.gpu.plan.extend([fails] * 3)
    assert [engines.device_of(batch_of(2)) for _ in range(3)] == ["cpu"] * 3
    assert engines.fallback.is_degraded
    assert engines.fallback.capability.engine == "onnxruntime"
    runs = len(engines.gpu.rows_run)
    assert engines.device_of(batch_of(2)) == "cpu"
    assert len(engines.gpu.rows_run) == runs
    engines.clock.advance(1.0)
    assert not engines.fallback.is_degraded
    assert engines.device_of(batch_of(2)) == "gpu"
    assert engines.changes == [False, True]


def test_an_answer_while_a_better_engine_is_out_of_use_is_degraded():
    engines = Engines()
    engines.gpu.plan.extend([fails] * 3)
    for _ in range(3):
        engines.run(batch_of(2))
    assert engines.run(batch_of(2)).is_degraded
    engines.clock.advance(1.0)
    assert not engines.run(batch_of(2)).is_degraded


@pytest.mark.parametrize("fault", [fails, poisons])
def test_an_engine_that_fails_its_canary_is_probed_ever_more_rarely(fault):
    engines = Engines()
    engines.gpu.plan.extend([fails] * 3 + [fault] * 2)
    for _ in range(3):
        engines.run(batch_of(2))
    for pause_s in (1, 2):
        engines.clock.advance(pause_s)
        assert engines.fallback.is_degraded
    engines.clock.advance(3.9)
    assert engines.fallback.is_degraded
    engines.clock.advance(0.2)
    assert not engines.fallback.is_degraded


def test_a_hanging_engine_is_not_probed_before_it_lets_go():
    engines = Engines()
    engines.gpu.plan.append(hangs)
    engines.run(batch_of(2))
    engines.clock.advance(STALL_S)
    for _ in range(10):
        engines.clock.advance(60)
    assert engines.fallback.is_degraded
    engines.gpu.hanging.pop()()
    engines.clock.advance(60)
    assert not engines.fallback.is_degraded


def test_a_batch_that_fails_everywhere_is_blamed_and_not_the_engine():
    engines = Engines()
    engines.gpu.plan.extend([fails] * 9)
    engines.cpu.plan.extend([fails] * 9)
    for _ in range(9):
        assert isinstance(engines.run(batch_of(2)), EngineFailed)
    assert not engines.fallback.is_degraded
    assert engines.failovers("error") == 0


def test_a_stall_takes_the_engine_out_of_use_whatever_becomes_of_the_batch():
    engines = Engines()
    engines.gpu.plan.append(hangs)
    engines.cpu.plan.append(fails)
    engines.run(batch_of(2))
    engines.clock.advance(STALL_S)
    assert isinstance(engines.outcomes[-1], EngineFailed)
    assert engines.fallback.is_degraded


@pytest.mark.parametrize("readout", list(Readout))
def test_out_of_memory_halves_the_batch_on_the_same_engine(readout):
    engines = Engines(readout)
    engines.gpu.most_rows = 2
    batch = batch_of(5, 2, 9, 1, 4, 4, 3)
    outcome = engines.run(batch)
    whole = engines.cpu.run(batch)
    assert outcome.device == "gpu"
    np.testing.assert_array_equal(outcome.output, whole.output)
    np.testing.assert_array_equal(outcome.states[0], whole.states[0])
    assert engines.gpu.rows_run == [7, 3, 1, 2, 4, 2, 2]


def test_a_single_row_without_memory_moves_to_the_next_engine():
    engines = Engines()
    engines.gpu.most_rows = 0
    assert engines.device_of(batch_of(5, 3)) == "cpu"
    assert engines.failovers("out_of_memory") == 1


def test_a_batch_too_large_for_an_engine_goes_past_it_without_blame():
    engines = Engines()
    engines.gpu.capability = type(engines.gpu.capability)("gpu", max_rows=2, engine="tensorrt")
    outcome = engines.run(batch_of(1, 2, 3))
    assert (outcome.device, outcome.is_degraded) == ("cpu", False)
    assert engines.device_of(batch_of(1, 2)) == "gpu"


def test_engines_are_tried_in_the_order_of_their_places():
    engines = Engines()
    second = FaultyEngine("onnxruntime-cuda", "gpu")
    engines.fallback.join(engines.guard(second), 1)
    assert list(engines.fallback.engines) == ["tensorrt", "onnxruntime-cuda", "onnxruntime"]
    engines.gpu.plan.append(fails)
    assert engines.run(batch_of(2)).engine == "onnxruntime-cuda"
    engines.gpu.plan.append(fails)
    second.plan.append(fails)
    assert engines.run(batch_of(2)).engine == "onnxruntime"


def test_padding_that_is_not_finite_harms_nobody():
    engines = Engines(Readout.EVERY_STEP)
    outcome = engines.run(batch_of(5, 2))
    assert isinstance(outcome, BatchResult)
    assert np.isnan(outcome.output).any()
    assert outcome.device == "gpu"


def test_failures_of_other_kinds_than_ours_move_the_batch_too():
    engines = Engines()
    engines.gpu.plan.append(breaks)
    assert engines.run(batch_of(2)).device == "cpu"
    assert engines.failovers("error") == 1


def test_memory_that_runs_out_in_the_second_half_moves_the_whole_batch():
    engines = Engines()
    engines.gpu.plan.extend([out_of_memory, None, out_of_memory])
    batch = batch_of(3, 4)
    assert engines.device_of(batch) == "cpu"
    assert engines.gpu.rows_run == [1]


def out_of_memory(engine, batch, on_outcome):
    on_outcome(EngineOutOfMemory("no room"))


def breaks(engine, batch, on_outcome):
    on_outcome(RuntimeError("cuda says no"))
