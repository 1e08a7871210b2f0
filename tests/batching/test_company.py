"""Who rides together: as many as pay for their seats, alike in what they have left, and always the first."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.batching.company import TickSize, company
from service.batching.cost_model import ROW_TICK_S, CostModel
from service.batching.partition import BatchLimits
from service.batching.ride import Place, Ride
from service.batching.ticket import Ticket

_LOOP = asyncio.new_event_loop()
_LOOP.close()
LIMITS = BatchLimits(64, 1 << 20)
MOST_S = 0.005


def priced(call_s: float, step_s: float, row_step_s: float) -> CostModel:
    cost = CostModel()
    cost.call_s, cost.step_s, cost.row_step_s = call_s, step_s, row_step_s
    return cost


CPU = priced(60e-6, 1e-6, 2e-6)
GPU = priced(60e-6, 20e-6, 0.05e-6)


def line_of(lefts: list[int]) -> list[Ride]:
    future = asyncio.Future(loop=_LOOP)
    return [
        Ride(Place(10, 0.0, number), Ticket(np.zeros((left, 1), np.float32), None, future, 0.0))
        for number, left in enumerate(lefts)
    ]


def lefts_of(rides: list[Ride]) -> list[int]:
    return [ride.left for ride in rides]


@pytest.mark.parametrize(
    ("cost", "lefts", "due"),
    [
        pytest.param(CPU, [1] * 200, [1] * 64, id="streams with a step each fill the batch"),
        pytest.param(CPU, [10, 5000, 12, 5000, 11], [10, 12, 11], id="the short leave the long behind"),
        pytest.param(CPU, [5000, 10, 4000, 3000], [5000, 4000, 3000], id="all long ones are alike"),
        pytest.param(GPU, [300, 10, 500] * 9, [300, 10, 500] * 9, id="where a step is paid once, all ride"),
    ],
)
def test_known_lines(cost, lefts, due):
    assert lefts_of(company(line_of(lefts), cost, LIMITS, MOST_S)) == due


def test_long_ones_ride_few_at_a_time_where_rows_do_not_make_each_other_cheaper():
    assert 8 <= len(company(line_of([5000] * 100), CPU, LIMITS, MOST_S)) <= 32
    assert len(company(line_of([5000] * 100), GPU, LIMITS, MOST_S)) == 64


@given(
    st.lists(st.integers(1, 3000), min_size=1, max_size=40),
    st.tuples(*[st.sampled_from([0.0, 1e-6, 1e-5, 1e-4])] * 3),
    st.sampled_from([0.0, 1e-4, 5e-3, 1e9]),
    st.integers(1, 64),
)
def test_the_first_rides_and_the_others_in_order(lefts, price, most_s, max_rows):
    line = line_of(lefts)
    riding = company(line, priced(*price), BatchLimits(max_rows, 1 << 20), most_s)
    assert riding[0] is line[0]
    assert len(riding) <= max_rows
    assert [ride.place for ride in riding] == sorted(ride.place for ride in riding)


@given(st.sampled_from([1e-6, 1e-5, 1e-3]), st.sampled_from([1e-7, 1e-6, 5e-5]))
def test_no_other_number_of_rows_makes_a_full_tick_cheaper(step_s, row_step_s):
    def price(rows: int) -> float:
        """Of a row's step, but for the call."""
        steps = MOST_S / (step_s + row_step_s * rows)
        return step_s / rows + row_step_s + ROW_TICK_S / steps

    best = TickSize.best(priced(0.0, step_s, row_step_s), 64, MOST_S).rows
    assert price(best) <= min(map(price, range(1, 65))) * 1.01
