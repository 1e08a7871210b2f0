"""The cut of waiting lengths: its early end loses nothing."""

from __future__ import annotations

from drawn import examples
from hypothesis import given
from hypothesis import strategies as st

from service.batching.cost_model import CostModel
from service.batching.partition import BatchLimits, cheapest_part, seconds_for

prices = st.tuples(*[st.sampled_from([0.0, 1e-8, 1e-6, 1e-5, 1e-4, 1e-3])] * 3).filter(any)
classes = st.dictionaries(st.integers(1, 400), st.integers(1, 60), min_size=1, max_size=14)


def priced(price: tuple[float, float, float]) -> CostModel:
    cost = CostModel()
    cost.call_s, cost.step_s, cost.row_step_s = price
    return cost


def total_of_parts(lengths, counts, cost, limits) -> float:
    """What the cut costs: the part of the longest length, then the same for the lengths left."""
    total = 0.0
    while lengths:
        low, high = cheapest_part(lengths, counts, lengths[-1], cost, limits)
        assert high == lengths[-1]
        first = lengths.index(low)
        total += seconds_for(sum(counts[first:]), high, cost, limits)
        lengths, counts = lengths[:first], counts[:first]
    return total


def least_total(lengths, counts, cost, limits) -> float:
    """The same by trying every cut before every place."""
    best = [0.0]
    for end in range(1, len(lengths) + 1):
        best.append(
            min(
                best[start] + seconds_for(sum(counts[start:end]), lengths[end - 1], cost, limits)
                for start in range(end)
            )
        )
    return best[-1]


@given(classes, prices)
@examples(100)
def test_no_cut_is_cheaper(counts_by_length, price):
    lengths = sorted(counts_by_length)
    counts = [counts_by_length[length] for length in lengths]
    cost, limits = priced(price), BatchLimits(1 << 20, 1 << 40)
    found = total_of_parts(lengths, counts, cost, limits)
    assert found <= least_total(lengths, counts, cost, limits) * (1 + 1e-9)


@given(classes, prices, st.integers(1, 64), st.integers(400, 20_000))
@examples(100)
def test_with_limits_no_cut_is_cheaper_by_more_than_a_tenth(counts_by_length, price, max_rows, max_row_steps):
    lengths = sorted(counts_by_length)
    counts = [counts_by_length[length] for length in lengths]
    cost, limits = priced(price), BatchLimits(max_rows, max_row_steps)
    found = total_of_parts(lengths, counts, cost, limits)
    assert found <= least_total(lengths, counts, cost, limits) * 1.1


@given(classes, prices, st.data())
def test_the_anchor_is_in_its_part(counts_by_length, price, data):
    lengths = sorted(counts_by_length)
    anchor = data.draw(st.sampled_from(lengths))
    counts = [counts_by_length[length] for length in lengths]
    low, high = cheapest_part(lengths, counts, anchor, priced(price), BatchLimits(16, 4000))
    assert low <= anchor <= high
    assert {low, high} <= set(lengths)
