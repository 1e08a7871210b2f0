"""The watchdog: who is late, who only waits behind, and when an engine that hung is asked again."""

from __future__ import annotations

import numpy as np
from engines import STALL_S, Engines, batch_of, due_of
from faulty import hangs

from service.errors import EngineOutOfMemory


def out_of_memory(engine, batch, on_outcome):
    on_outcome(EngineOutOfMemory("no room"))


def test_a_batch_behind_a_long_one_is_not_taken_for_stalled():
    engines = Engines()
    engines.gpu.is_stepped = True
    engines.run(batch_of(4096))
    engines.run(batch_of(2))
    engines.clock.advance(2 * STALL_S)
    assert not engines.outcomes
    engines.gpu.step()
    engines.clock.advance(0.9 * STALL_S)
    engines.gpu.step()
    assert [outcome.device for outcome in engines.outcomes] == ["gpu", "gpu"]
    assert not engines.fallback.is_degraded


def test_a_stall_takes_along_what_waits_behind_it():
    engines = Engines()
    engines.gpu.is_stepped = True
    engines.run(batch_of(2))
    engines.run(batch_of(4096))
    engines.clock.advance(STALL_S)
    assert [outcome.device for outcome in engines.outcomes] == ["cpu", "cpu"]
    assert engines.failovers("stall") == 2
    assert engines.changes == [False]


def test_a_second_half_that_stalls_moves_the_whole_batch():
    engines = Engines()
    engines.gpu.plan.extend([out_of_memory, None, hangs])
    batch = batch_of(3, 4, 5)
    assert engines.run(batch) is None
    engines.clock.advance(STALL_S)
    np.testing.assert_array_equal(engines.outcomes[-1].output, due_of(batch))
    assert engines.outcomes[-1].device == "cpu"


def test_a_stall_counts_once_however_late_the_next_engine_answers():
    engines = Engines()
    engines.gpu.plan.append(hangs)
    engines.cpu.is_stepped = True
    engines.run(batch_of(2))
    engines.clock.advance(STALL_S)
    engines.gpu.hanging.pop()()
    engines.clock.advance(1.0)
    assert not engines.fallback.is_degraded
    engines.cpu.step()
    assert engines.outcomes[-1].device == "cpu"
    assert not engines.fallback.is_degraded
    assert engines.changes == [False, True]


def test_an_answer_to_a_later_batch_gives_a_hanging_one_no_more_time():
    engines = Engines()
    engines.gpu.plan.append(hangs)
    engines.run(batch_of(2))
    engines.clock.advance(0.9 * STALL_S)
    assert engines.device_of(batch_of(3)) == "gpu"
    engines.clock.advance(0.2 * STALL_S)
    assert [outcome.device for outcome in engines.outcomes] == ["gpu", "cpu"]


def test_an_engine_is_probed_when_all_that_hung_has_ended():
    engines = Engines()
    engines.gpu.plan.extend([hangs] * 2)
    engines.run(batch_of(2))
    engines.run(batch_of(3))
    engines.clock.advance(STALL_S)
    runs = len(engines.gpu.rows_run)
    engines.gpu.hanging.pop(0)()
    engines.clock.advance(60)
    assert len(engines.gpu.rows_run) == runs + 1
    engines.gpu.hanging.pop(0)()
    engines.clock.advance(60)
    assert not engines.fallback.is_degraded


def test_an_engine_that_goes_on_hanging_is_looked_at_ever_more_rarely():
    engines = Engines()
    engines.gpu.plan.append(hangs)
    engines.run(batch_of(2))
    engines.clock.advance(STALL_S)
    engines.clock.advance(1)
    engines.gpu.hanging.pop()()
    engines.clock.advance(1.9)
    assert engines.fallback.is_degraded
    engines.clock.advance(0.2)
    assert not engines.fallback.is_degraded
