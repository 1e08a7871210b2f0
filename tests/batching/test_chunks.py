"""How far a tick goes, and whether it has breaks or is cut."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from fakes import running_sum_signature

from service.backends.protocol import Capability
from service.batching.chunk_length import CUT_S
from service.batching.chunks import Chunk, Chunks
from service.batching.cost_model import EngineCosts
from service.batching.partition import BatchLimits
from service.domain.signature import Readout

LONG_S = 1e9


def chunks(
    *, most: int = 1 << 20, can_break: bool = True, resident: bool = False, cut_s: float = 1.0
) -> Chunks:
    costs = EngineCosts(lambda: "fake")
    cost = costs.current()
    cost.call_s, cost.step_s, cost.row_step_s = 50e-6, 10e-6, 1e-6
    cost.engine_call_s = cut_s - CUT_S
    return Chunks(
        running_sum_signature(Readout.EVERY_STEP),
        SimpleNamespace(capability=Capability("cpu", can_break=can_break)),
        costs,
        lambda: BatchLimits(64, most),
        SimpleNamespace(resident={1: object()} if resident else {}),
    )


def following(cutter: Chunks, left: list[int], longest_s: float = LONG_S, *, is_alone: bool = False) -> Chunk:
    rides = [SimpleNamespace(left=each) for each in left]
    return cutter.next(rides, longest_s, (lambda _: True) if is_alone else None)


def test_a_tick_holds_no_more_steps_of_its_rows_than_the_engine_takes_and_at_least_one():
    assert following(chunks(most=100), [80] * 10).steps == [10] * 10
    assert following(chunks(most=4), [80] * 10).steps == [1] * 10


def test_alone_a_tick_goes_on_to_the_first_end_with_breaks_as_far_as_the_engine_takes():
    # About 100 steps of two rows.
    chunk = following(chunks(), [900, 1000], 100 * 12e-6 + 50e-6, is_alone=True)
    assert chunk.steps == [900, 900]
    assert chunk.breaks is not None
    assert chunk.breaks.every == chunk.least_steps == 100
    assert chunk.breaks.is_wanted()
    assert chunk.breaks.has_step_outputs
    chunk = following(chunks(most=1000), [900, 1000], 100 * 12e-6 + 50e-6, is_alone=True)
    assert chunk.steps == [500, 500]


def test_where_others_are_there_it_has_none_and_idle_seats_count():
    chunk = following(chunks(), [900, 1000], 100 * 12e-6 + 50e-6)
    assert (chunk.steps, chunk.breaks, chunk.least_steps) == ([100, 100], None, 100)
    # Alone a tick may well be as long as its longest, where padding is cheap beside the step that all share.
    alone, awaited = (following(chunks(), [10, 60], is_alone=is_alone) for is_alone in (True, False))
    assert (alone.steps, awaited.steps) == ([10, 60], [10, 10])


def test_it_is_cut_where_that_pays():
    chunk = following(chunks(cut_s=5e-6), [10, 16, 16])
    assert chunk.steps == [10, 16, 16]
    assert chunk.cuts is not None
    assert (chunk.cuts.after, chunk.cuts.has_step_outputs) == ((10,), True)
    assert following(chunks(cut_s=7e-6), [10, 16, 16]).cuts is None


@pytest.mark.parametrize("engine", [{"can_break": False}, {"resident": True}])
def test_neither_where_the_engine_cannot_or_has_states_of_its_own(engine):
    chunk = following(chunks(cut_s=0.0, **engine), [10, 16, 16])
    assert (chunk.steps, chunk.breaks, chunk.cuts) == ([10, 16, 16], None, None)
    chunk = following(chunks(cut_s=0.0, **engine), [900], 1e-3, is_alone=True)
    assert chunk.breaks is None
    assert chunk.steps[0] < 100
