"""How far two answers are apart, row by row."""

from __future__ import annotations

import numpy as np

from service.backends.shadow import row_errors


def test_only_a_row_s_own_steps_are_compared():
    live = np.zeros((4, 2, 3))
    shadow = live.copy()
    shadow[3, 0] = 7
    shadow[2, 1] = np.nan
    assert row_errors(np.array([3, 2]), live, shadow, has_step_outputs=True) == [0, 0]
    shadow[1, 1, 2] = 0.5
    assert row_errors(np.array([3, 2]), live, shadow, has_step_outputs=True) == [0, 0.5]


def test_answers_of_different_shapes_differ_infinitely():
    errors = row_errors(np.array([3, 2]), np.zeros((2, 3)), np.zeros((2, 4)), has_step_outputs=False)
    assert errors == [float("inf")] * 2
