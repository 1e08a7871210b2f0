"""The arithmetic between what was measured and what is printed."""

from __future__ import annotations

import itertools
import math
import time

from load_tests.tally import Tally, percentile


def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed():
    rising = [float(value) for value in range(1, 101)]
    assert [percentile(rising, percent) for percent in (1, 50, 90, 99, 100)] == [1, 50, 90, 99, 100]


def test_a_percentile_of_few_values_is_one_of_them():
    assert percentile([1.0, 2.0, 30.0], 50) == 2.0
    assert percentile([1.0, 2.0, 30.0], 99) == 30.0
    assert percentile([7.0], 1) == 7.0


def test_a_percentile_of_nothing_is_not_a_number():
    assert math.isnan(percentile([], 50))


def test_only_answers_with_200_have_a_latency_and_everything_else_is_counted_by_kind():
    tally = Tally(itertools.repeat(b""), seconds=10.0)
    started_s = time.perf_counter()
    tally.answered(200, started_s, started_s + 0.010)
    tally.answered(200, started_s, started_s + 0.030)
    tally.answered(503, started_s, started_s + 0.001)
    tally.lost()
    summary = tally.summary()
    assert summary.requests == 2
    assert summary.errors == {"503": 1, "closed": 1}
    assert summary.error_count == 2
    assert math.isclose(summary.p50_ms, 10.0, rel_tol=1e-6)
    assert math.isclose(summary.p99_ms, 30.0, rel_tol=1e-6)


def test_a_run_without_an_answer_has_no_rate():
    assert Tally(itertools.repeat(b""), seconds=1.0).summary().requests_per_s == 0.0
