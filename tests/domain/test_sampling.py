"""Drawing symbols, and holding back what may be a text to stop at."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.sampling import Sampling, StopTexts, sampled

P = np.array([0.1, 0.6, 0.0, 0.3], np.float32)


def share_of(sampling: Sampling, draws: int = 4000) -> np.ndarray:
    random = np.random.default_rng(3)
    return np.bincount([sampled(P, sampling, random) for _ in range(draws)], minlength=len(P)) / draws


def test_without_temperature_it_is_always_the_likeliest():
    assert share_of(Sampling(temperature=0.0)).tolist() == [0, 1, 0, 0]


@pytest.mark.parametrize("temperature", [5e-324, 1e-305, 1e-300, 1e-9])
def test_next_to_no_temperature_is_as_none(temperature):
    assert share_of(Sampling(temperature), draws=20).tolist() == [0, 1, 0, 0]


@pytest.mark.parametrize(
    ("sampling", "due"),
    [
        (Sampling(), [0.1, 0.6, 0.0, 0.3]),
        (Sampling(top_k=2), [0, 2 / 3, 0, 1 / 3]),
        (Sampling(top_k=99), [0.1, 0.6, 0.0, 0.3]),
        (Sampling(temperature=0.5), [1 / 46, 36 / 46, 0.0, 9 / 46]),
    ],
)
def test_draws_have_the_shares_that_temperature_and_top_k_leave(sampling, due):
    np.testing.assert_allclose(share_of(sampling), due, atol=0.03)


def test_the_same_seed_draws_the_same():
    draws = [[sampled(P, Sampling(), np.random.default_rng(9)) for _ in range(20)] for _ in range(2)]
    assert draws[0] == draws[1]


@given(st.text("ab.", max_size=30), st.lists(st.text("ab.", min_size=1, max_size=4), max_size=3))
def test_everything_before_the_first_stop_text_is_shown_and_nothing_of_it(said, stops):
    texts, shown, is_stopped = StopTexts(tuple(stops)), "", False
    for symbol in said:
        text, is_stopped = texts.take(symbol)
        shown += text
        assert said.startswith(shown)
        if is_stopped:
            break
    ends = [said.index(stop) + len(stop) for stop in stops if stop in said]
    assert is_stopped == bool(ends)
    if not is_stopped:
        assert shown + texts.rest() == said
    else:
        assert any(said[: min(ends)] == shown + stop for stop in stops)
