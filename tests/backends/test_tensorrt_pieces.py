"""Cutting batches: every step of every row runs once, in order, within a profile."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.backends.tensorrt_pieces import choose, cut, padded_rows
from service.errors import EngineFailed
from service.plans.profiles import Profile, Range, parse_profile

ranges = st.lists(st.integers(1, 24), min_size=3, max_size=3).map(lambda ends: Range(*sorted(ends)))
fixed = st.integers(1, 24).map(lambda steps: Range(steps, steps, steps))
profiles = st.lists(st.builds(Profile, ranges | fixed, ranges), min_size=1, max_size=5).map(tuple)
lengths = st.lists(st.integers(1, 80), min_size=1, max_size=60).map(np.array)


@given(profiles, lengths)
def test_every_step_of_every_row_runs_once_and_in_order(profiles, lengths):
    done = np.zeros(len(lengths), int)
    for piece in cut(profiles, lengths, is_causal=True):
        rows = np.arange(len(lengths))[piece.rows]
        assert len(rows) == piece.row_count
        assert (done[rows] == piece.start).all()
        assert (lengths[rows] > piece.start).all()
        done[rows] = np.minimum(lengths[rows], piece.start + piece.steps)
    np.testing.assert_array_equal(done, lengths)


@given(profiles, lengths)
def test_every_piece_is_padded_into_its_profile(profiles, lengths):
    for piece in cut(profiles, lengths, is_causal=True):
        profile = profiles[piece.profile]
        assert piece.padded_steps in profile.steps
        assert piece.padded_rows in profile.rows
        assert piece.steps <= piece.padded_steps
        assert piece.row_count <= piece.padded_rows


@given(profiles, lengths)
def test_a_piece_that_goes_on_has_the_first_rows_of_the_piece_before_it(profiles, lengths):
    before = None
    for piece in cut(profiles, lengths, is_causal=True):
        rows = np.arange(len(lengths))[piece.rows]
        assert piece.goes_on == (piece.start > 0)
        if piece.goes_on:
            np.testing.assert_array_equal(rows, before[: len(rows)])
        before = rows


def test_what_one_profile_takes_is_one_piece_of_all_rows():
    (piece,) = cut((parse_profile("16:1-4-8"),), np.array([3, 16, 2]), is_causal=False)
    assert (piece.rows, piece.padded_rows, piece.padded_steps) == (slice(0, 3), 4, 16)


def test_a_model_that_looks_ahead_is_not_cut():
    with pytest.raises(EngineFailed, match="17 steps, expected at most 16, the plan's longest profile"):
        cut((parse_profile("16:1-4-8"),), np.array([3, 17]), is_causal=False)


@pytest.mark.parametrize(
    ("steps", "rows", "due"),
    [
        (1, 4, "1:1-2-8"),
        (2, 4, "16:1-4-8"),
        (17, 4, "32:1-4-8"),
        (33, 4, "1-16-64:1-4-8"),
        (5, 99, "16:1-4-8"),
        (65, 3, "2-8-128:2-4-8"),
        (65, 1, "2-8-128:2-4-8"),
    ],
)
def test_the_nearest_bucket_is_chosen_and_the_net_for_the_rest(steps, rows, due):
    texts = ("1:1-2-8", "16:1-4-8", "32:1-4-8", "1-16-64:1-4-8", "2-8-128:2-4-8")
    assert texts[choose(tuple(map(parse_profile, texts)), steps, rows)] == due


@pytest.mark.parametrize(("rows", "due"), [(1, 2), (3, 4), (4, 4), (5, 6), (6, 6)])
def test_fixed_profiles_pad_rows_to_powers_of_two_within_their_range(rows, due):
    assert padded_rows(parse_profile("16:2-4-6"), rows) == due


def test_dynamic_profiles_run_the_rows_there_are():
    assert padded_rows(parse_profile("1-8-16:1-4-6"), 5) == 5
