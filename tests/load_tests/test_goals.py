"""A goal is printed beside what was reached, with a verdict."""

from __future__ import annotations

from load_tests.goals import Goal


def test_an_upper_bound_is_reached_from_below():
    goal = Goal("time", 0.4, "ms")
    assert goal.row(0.4) == ("time", "0.4 ms", "at most 0.4 ms", "reached")
    assert goal.row(0.41)[-1] == "missed"


def test_a_lower_bound_is_reached_from_above():
    goal = Goal("gain", 2.0, "x", is_upper=False)
    assert goal.row(2.5) == ("gain", "2.5 x", "at least 2 x", "reached")
    assert goal.row(1.9)[-1] == "missed"
