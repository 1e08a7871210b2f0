"""The arithmetic of overload."""

from __future__ import annotations

import pytest

from load_tests.http_connection import HttpAnswer
from load_tests.overload.fate import Fate, Kind, Outcome, outcome_of
from load_tests.overload.figures import retry_truth, share
from load_tests.overload.open_loop import Arrivals


@pytest.mark.parametrize(
    ("status", "error", "outcome"),
    [
        (200, "", Outcome.ANSWERED),
        (429, "timeout: 1 s are left", Outcome.UNREACHABLE),
        (429, "the queue is full", Outcome.QUEUE_FULL),
        (504, "timeout: the deadline passed", Outcome.EXPIRED),
        (500, "", Outcome.UNFORESEEN),
    ],
)
def test_refusals_are_told_apart(status, error, outcome):
    assert outcome_of(HttpAnswer(status, {}, b'{"error":"%s"}' % error.encode(), stays=True)) is outcome


def test_only_what_was_answered_between_two_moments_counts():
    fates = [Fate(Kind.OTHER, Outcome.ANSWERED, second, second, second + 0.5) for second in range(4)]
    counted = share(fates, {Kind.OTHER}, 1.0, 3.0)
    assert (counted.asked_per_s, counted.answered_per_s, counted.p99_ms) == (1.0, 1.0, 500.0)


def test_what_was_asked_is_served_where_it_is_answered_later_and_not_where_it_is_refused():
    fates = [
        Fate(Kind.URGENT, outcome, second, second, second + 5.0)
        for second, outcome in enumerate([Outcome.UNREACHABLE, *[Outcome.ANSWERED] * 3, Outcome.EXPIRED])
    ]
    assert share(fates, {Kind.URGENT}, 1.0, 4.0).served == 1.0
    assert share(fates, {Kind.URGENT}, 1.0, 5.0).served == 0.75
    assert share(fates, {Kind.OTHER}, 1.0, 5.0).served == 0.0


def test_a_refusal_is_judged_by_the_last_that_was_let_in_before_it():
    let_in = [Fate(Kind.OTHER, Outcome.ANSWERED, sent, sent, sent + 2.0) for sent in (0.0, 1.0, 5.0)]
    full = Fate(Kind.OTHER, Outcome.QUEUE_FULL, 2.0, 2.0, 2.0, stated_s=1.5)
    unreachable = Fate(Kind.OTHER, Outcome.UNREACHABLE, 2.0, 2.0, 2.0, stated_s=0.5)
    assert retry_truth([*let_in, full], timeout_s=1.0).p50 == pytest.approx(1.5)
    assert retry_truth([*let_in, unreachable], timeout_s=1.0).p50 == pytest.approx(1.5)


def test_arrivals_come_at_their_rate_and_are_the_same_every_time():
    arrivals = Arrivals(rate=500.0, seconds=10.0, urgent_share=0.1)
    drawn = list(arrivals.drawn())
    assert drawn == list(arrivals.drawn())
    assert len(drawn) == pytest.approx(5000, rel=0.05)
    assert sum(is_urgent for _, is_urgent in drawn) == pytest.approx(500, rel=0.2)
