"""The cost model learns what batches cost, and no observation can break it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.batching.cost_model import CostModel

SIZES = [(1, 1), (1, 4), (4, 4), (1, 16), (16, 16), (4, 48), (64, 200), (1, 1000)]

sizes = st.tuples(st.integers(1, 128), st.integers(1, 32_768))
prices = st.tuples(st.floats(1e-6, 1e-3), st.floats(1e-7, 1e-4), st.floats(1e-8, 1e-5))
observations = st.lists(
    st.tuples(st.integers(1, 128), st.integers(1, 32_768), st.sampled_from([0.0, 1e-9, 1e-4, 0.02, 1e4])),
    max_size=12,
)


def seconds_at(price: tuple[float, float, float], rows: int, steps: int) -> float:
    call_s, step_s, row_step_s = price
    return call_s + step_s * steps + row_step_s * steps * rows


@given(prices)
def test_planted_prices_are_found_again(price):
    cost = CostModel()
    cost.calibrate([(*size, seconds_at(price, *size)) for size in SIZES])
    assert (cost.call_s, cost.step_s, cost.row_step_s) == pytest.approx(price, rel=1e-3)


def test_prices_that_are_zero_are_found_to_be_zero():
    cost = CostModel()
    cost.calibrate([(*size, seconds_at((0.0, 2e-5, 0.0), *size)) for size in SIZES])
    assert (cost.call_s, cost.step_s, cost.row_step_s) == pytest.approx((0.0, 2e-5, 0.0), abs=1e-9)


@given(prices, st.integers(0, 1000))
def test_noise_of_a_tenth_moves_a_prediction_by_less_than_a_third(price, seed):
    noise = np.random.default_rng(seed)
    cost = CostModel()
    cost.calibrate([(*size, seconds_at(price, *size) * noise.uniform(0.9, 1.1)) for size in SIZES * 2])
    for size in SIZES:
        assert cost.seconds(*size) == pytest.approx(seconds_at(price, *size), rel=1 / 3)


@given(observations, observations, sizes)
def test_no_observation_makes_a_price_negative_or_a_prediction_not_finite(calibration, later, size):
    cost = CostModel()
    cost.calibrate(calibration)
    for observation in later * 12:
        cost.observe(*observation, 2 * observation[2])
    assert min(cost.call_s, cost.step_s, cost.row_step_s) >= 0
    rows, steps = size
    assert np.isfinite(cost.seconds(rows, steps))
    assert cost.seconds(rows + 1, steps) >= cost.seconds(rows, steps)
    assert cost.seconds(rows, steps + 1) >= cost.seconds(rows, steps)


def test_an_engine_that_slows_down_is_predicted_to_be_slower():
    price = (1e-4, 1e-5, 1e-6)
    cost = CostModel()
    cost.calibrate([(*size, seconds_at(price, *size)) for size in SIZES])
    for size in SIZES * 12:
        cost.observe(*size, *[4 * seconds_at(price, *size)] * 2)
    assert 1.5 < cost.seconds(8, 100) / seconds_at(price, 8, 100) < 4.1


def test_one_long_batch_does_not_hide_what_short_ones_cost():
    price = (1e-4, 1e-5, 1e-6)
    cost = CostModel()
    cost.calibrate([(*size, seconds_at(price, *size)) for size in SIZES] + [(64, 32_768, 50.0)])
    assert cost.seconds(1, 1) == pytest.approx(seconds_at(price, 1, 1), rel=0.5)


def test_an_engine_that_slows_down_is_predicted_at_its_new_speed():
    """Whatever slowed every batch alike leaves no trace of the warm-up's speed."""
    planted = CostModel()
    planted.call_s, planted.step_s, planted.row_step_s = 1e-4, 1e-5, 1e-6
    sizes = [(1, 1), (1, 4), (4, 4), (1, 16), (16, 16), (4, 48)]
    cost = CostModel()
    cost.calibrate([(rows, steps, planted.seconds(rows, steps)) for rows, steps in sizes])
    for _ in range(4):
        for rows, steps in ((8, 20), (64, 20)) * 16:
            cost.observe(rows, steps, *[4 * planted.seconds(rows, steps)] * 2)
    for rows, steps in [*sizes, (32, 300)]:
        assert cost.seconds(rows, steps) == pytest.approx(4 * planted.seconds(rows, steps), rel=0.02)


def test_what_a_call_waits_beside_the_engine_is_no_price_of_its_steps():
    price = (6e-5, 1e-6, 2e-6)
    cost = CostModel()
    cost.calibrate([(*size, seconds_at(price, *size)) for size in SIZES])
    for size in [(15, 130), (64, 35), (30, 70)] * 32:
        computed_s = seconds_at(price, *size)
        cost.observe(*size, computed_s, computed_s + 1e-4)
        cost.observe(*size, computed_s, computed_s + 5e-3)
        cost.observe(*size, computed_s, computed_s + 5e-3)
    assert cost.call_s == pytest.approx(price[0] + 1e-4, rel=0.02)
    assert cost.wait_s == pytest.approx(4.9e-3)
    assert (cost.step_s, cost.row_step_s) == pytest.approx(price[1:], rel=0.02)


@given(st.integers(0, 1000))
def test_batches_that_are_all_alike_do_not_wash_out_what_the_warm_up_told(seed):
    noise = np.random.default_rng(seed)
    price = (6e-5, 1e-6, 2e-6)
    cost = CostModel()
    cost.calibrate([(*size, seconds_at(price, *size)) for size in SIZES])
    for _ in range(20):
        for rows in noise.integers(10, 40, 32).tolist():
            steps = round(0.005 / (price[1] + price[2] * rows))
            computed_s = seconds_at(price, rows, steps) * noise.uniform(1.0, 1.8)
            cost.observe(rows, steps, computed_s, computed_s)
    assert cost.call_s < 4 * price[0]
    assert price[2] / 2 < cost.row_step_s < 3 * price[2]


def test_a_batch_in_several_calls_teaches_what_each_of_them_costs():
    once, pieces = CostModel(), CostModel()
    for cost in (once, pieces):
        cost.calibrate([(*size, seconds_at((1e-4, 1e-5, 1e-6), *size)) for size in SIZES])
    for _ in range(64):
        once.observe(4, 100, 3e-3, 4e-3)
        pieces.observe(4, 1000, 3e-2, 3.1e-2, 10)
    found = [(cost.call_s, cost.step_s, cost.row_step_s, cost.wait_s) for cost in (pieces, once)]
    assert found[0] == pytest.approx(found[1])


def test_what_the_engine_takes_of_a_call_is_told_from_what_is_beside_it():
    cost = CostModel()
    for steps in (1, 8, 64) * 20:
        for rows in (1, 8, 32):
            computed_s = 2e-4 + steps * (1e-5 + 2e-6 * rows)
            cost.observe(rows, steps, computed_s, computed_s + 7e-4)
    assert cost.engine_call_s == pytest.approx(2e-4, rel=1e-3)
    assert cost.call_s == pytest.approx(9e-4, rel=1e-3)
