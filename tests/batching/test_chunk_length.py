"""How many steps a tick runs: padding is weighed against calls."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.batching.chunk_length import CUT_S, chunk_length, longest_tick_s, worthwhile_cuts
from service.batching.cost_model import ROW_TICK_S, CostModel

lefts = st.lists(st.integers(1, 400), min_size=1, max_size=12)
prices = st.tuples(*[st.sampled_from([0.0, 1e-6, 1e-5, 1e-4])] * 3)


def priced(call_s: float, step_s: float, row_step_s: float) -> CostModel:
    cost = CostModel()
    cost.call_s, cost.step_s, cost.row_step_s = call_s, step_s, row_step_s
    # A cut in all as much as a call.
    cost.engine_call_s = call_s - CUT_S
    return cost


def seconds_of(left: list[int], cost: CostModel, chunk) -> float:
    """What it costs to run all to their end when every tick is as long as `chunk` says."""
    total_s = 0.0
    while left:
        steps = chunk(left)
        total_s += cost.seconds(len(left), steps) + ROW_TICK_S * len(left)
        left = [length - steps for length in left if length > steps]
    return total_s


def cheapest_s(left: list[int], cost: CostModel) -> float:
    """The same with the best cuts, which are at ends of sequences."""
    ends = sorted(set(left))
    best = {ends[-1]: 0.0}
    for start in reversed([0, *ends[:-1]]):
        rows = sum(length > start for length in left)
        best[start] = min(
            cost.seconds(rows, end - start) + ROW_TICK_S * rows + best[end] for end in ends if end > start
        )
    return best[0]


@given(lefts, prices)
def test_the_cuts_cost_at_most_twice_the_best_ones(left, price):
    cost = priced(*price)
    spent_s = seconds_of(left, cost, lambda now: chunk_length(now, cost, 1e9, is_awaited=False))
    assert spent_s <= 2 * cheapest_s(left, cost) + 1e-12


@given(lefts, prices, st.booleans(), st.sampled_from([0.0, 1e-4, 1e-2, 1e9]))
def test_a_tick_is_at_least_a_step_and_ends_with_the_longest_at_the_latest(left, price, is_awaited, most_s):
    steps = chunk_length(left, priced(*price), most_s, is_awaited=is_awaited)
    assert 1 <= steps <= max(left)
    cost = priced(*price)
    assert steps == 1 or steps * (cost.step_s + cost.row_step_s * len(left)) <= most_s * (1 + 1e-9)


@pytest.mark.parametrize(
    ("left", "price", "due"),
    [
        ([256], (50e-6, 2e-6, 2e-6), 256),
        ([1] * 60, (50e-6, 2e-6, 2e-6), 1),
        ([10, 5000], (50e-6, 2e-6, 2e-6), 10),
        ([10, 30], (50e-6, 2e-6, 2e-6), 30),
        # Where the step is paid for by all alike, as on a GPU, padding costs nothing.
        ([10, 5000], (50e-6, 10e-6, 0.0), 5000),
    ],
)
def test_known_mixes(left, price, due):
    assert chunk_length(left, priced(*price), 1e9, is_awaited=False) == due


def test_where_others_wait_an_idle_seat_costs_its_share_of_the_step():
    cost = priced(50e-6, 10e-6, 0.0)
    assert chunk_length([10, 5000], cost, 1e9, is_awaited=True) == 10


def test_a_tick_is_short_unless_it_is_dear_and_many_wait_or_its_length_is_given():
    small, large = priced(50e-6, 2e-6, 2e-6), priced(1e-3, 1e-4, 5e-5)
    assert longest_tick_s(None, 1, 1, small) == 0.005
    assert longest_tick_s(None, 63, 64, large) == 0.005
    assert longest_tick_s(None, 64, 64, large) == pytest.approx(20 * (1e-3 + 64 * ROW_TICK_S))
    assert longest_tick_s(0.002, 64, 64, large) == 0.002


@given(st.integers(1, 64), st.integers(1000, 5000), prices)
def test_where_many_wait_about_a_tenth_of_a_long_way_at_most_goes_into_turning(rows, steps, price):
    cost = priced(*price)
    left = [steps] * rows
    longest_s = longest_tick_s(None, rows, rows, cost)
    spent_s = seconds_of(left, cost, lambda now: chunk_length(now, cost, longest_s, is_awaited=True))
    computing_s = steps * (cost.step_s + cost.row_step_s * rows)
    # A twentieth; twice that where a tick's steps are rounded down; and no tick is less than a step.
    assert spent_s - computing_s <= max(0.12 * computing_s, cost.call_s + rows * ROW_TICK_S) + 1e-12


def engine_seconds(steps: list[int], cuts: tuple[int, ...], cost: CostModel) -> float:
    """What a tick of such rows costs the engine that is cut there."""
    calls = pairwise([0, *cuts, max(steps)])
    return sum(cost.seconds(sum(each > start for each in steps), end - start) for start, end in calls)


def cheapest_cut_s(steps: list[int], cost: CostModel) -> float:
    ends = sorted(set(steps))
    best = {ends[-1]: 0.0}
    for start in reversed([0, *ends[:-1]]):
        rows = sum(length > start for length in steps)
        best[start] = min(cost.seconds(rows, end - start) + best[end] for end in ends if end > start)
    return best[0]


@given(lefts, prices)
def test_a_tick_is_cut_where_rows_end_at_twice_the_least_cost_at_most(steps, price):
    cost = priced(*price)
    cuts = worthwhile_cuts(steps, cost)
    assert list(cuts) == sorted(set(cuts))
    assert set(cuts) <= set(steps) - {max(steps)}
    assert engine_seconds(steps, cuts, cost) <= 2 * cheapest_cut_s(steps, cost) + 1e-12


@pytest.mark.parametrize(
    ("steps", "price", "due"),
    [
        ([7] * 60, (0.0, 2e-6, 2e-6), ()),
        ([10, 5000], (50e-6, 2e-6, 2e-6), (10,)),
        ([10, 30], (50e-6, 2e-6, 2e-6), ()),
        ([10, 30], (0.0, 2e-6, 2e-6), (10,)),
        # As on a GPU, where padding costs nothing.
        ([10, 5000], (50e-6, 10e-6, 0.0), ()),
        ([1, 2, 3, 100, 101, 102], (50e-6, 2e-6, 2e-6), (3,)),
        # Those who are left out already are not padded again.
        ([1, 1, 1, 1, 100, 110], (50e-6, 2e-6, 2e-6), (1,)),
    ],
)
def test_known_cuts(steps, price, due):
    assert worthwhile_cuts(steps, priced(*price)) == due
