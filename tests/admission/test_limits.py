"""Limits by hand-turned hands: what may come at once, what may come later, and when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.admission.limits import Allowance, Limits
from service.errors import RateLimited, TooManyConcurrent


def test_a_burst_is_let_in_and_then_one_each_time_the_bucket_has_filled_by_one():
    allowance = Allowance(Limits(requests_per_s=4, burst=3), now_s=0)
    for _ in range(3):
        allowance.take("alice", 0)
    with pytest.raises(RateLimited, match=r"requests: alice may send 4 a second") as refusal:
        allowance.take("alice", 0.05)
    assert refusal.value.retry_after_s == pytest.approx(0.2)
    allowance.take("alice", 0.25)
    with pytest.raises(RateLimited):
        allowance.take("alice", 0.25)


def test_a_long_pause_saves_up_no_more_than_a_burst():
    allowance = Allowance(Limits(requests_per_s=2), now_s=0)
    for _ in range(2):
        allowance.take("alice", 1000)
    with pytest.raises(RateLimited):
        allowance.take("alice", 1000)


@given(
    per_s=st.floats(0.01, 1000),
    burst=st.integers(1, 20),
    steps_s=st.lists(st.floats(0, 10), min_size=1, max_size=50),
)
def test_who_waits_as_long_as_told_is_let_in_and_nobody_gets_more_than_the_rate(per_s, burst, steps_s):
    allowance, now_s = Allowance(Limits(per_s, burst), 0.0), 0.0
    for taken, step_s in enumerate(steps_s, 1):
        now_s += step_s
        try:
            allowance.take("alice", now_s)
        except RateLimited as refusal:
            now_s += refusal.retry_after_s
            allowance.take("alice", now_s)
        assert taken <= burst + now_s * per_s + 1e-3


def test_requests_at_a_time_are_counted_until_they_are_answered_and_a_refusal_costs_no_token():
    allowance = Allowance(Limits(requests_per_s=1, burst=2, concurrent=1), now_s=0)
    allowance.take("alice", 0)
    with pytest.raises(TooManyConcurrent, match=r"1 of alice are being answered, at most 1 may be"):
        allowance.take("alice", 0)
    allowance.release()
    allowance.take("alice", 0)
    assert allowance.running == 1


def test_without_limits_nothing_is_refused():
    allowance = Allowance(Limits(), now_s=0)
    for _ in range(1000):
        allowance.take("alice", 0)
