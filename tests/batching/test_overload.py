"""Schedulers in simulated time, offered twice what they can do: who is let in is answered, in time."""

from __future__ import annotations

import pytest
from on_a_loop import on_a_loop
from simulated import Simulation

from service.batching.sequence_batcher import SequenceBatcher
from service.batching.step_batcher import StepBatcher

SECONDS = 4.0


def alike(_):
    return 40


def mixed(random):
    return min(400, max(1, int(random.expovariate(1 / 60))))


def with_long_ones(random):
    """A fiftieth of the sequences is two thirds of the work."""
    return 2000 if random.random() < 0.02 else 20


@pytest.mark.parametrize("kind", [SequenceBatcher, StepBatcher])
@pytest.mark.parametrize(
    ("lengths", "slowness", "least"),
    [
        pytest.param(alike, lambda _: 1.0, 0.95, id="as foretold"),
        pytest.param(alike, lambda now_s: 1.4 if int(now_s) % 2 else 1.0, 0.92, id="now and then slower"),
        pytest.param(mixed, lambda _: 2.2, 0.86, id="mixed, slower"),
    ],
)
@on_a_loop
async def test_twice_what_the_engine_can_do_costs_it_no_answers(kind, lengths, slowness, least):
    simulation = Simulation(kind, slowness, lengths)
    assert await simulation.run(2.0, SECONDS) >= least
    assert simulation.counts["deadline_unreachable"] > 0


@on_a_loop
async def test_on_the_carousel_the_urgent_notice_nothing_of_it():
    simulation = Simulation(StepBatcher, lambda _: 2.2, mixed)
    await simulation.run(2.0, SECONDS)
    assert simulation.urgent_share >= 0.98


@on_a_loop
async def test_long_sequences_among_short_ones_are_not_all_begun_to_be_all_late():
    simulation = Simulation(StepBatcher, lambda _: 1.0, with_long_ones)
    assert await simulation.run(2.0, SECONDS) >= 0.75
