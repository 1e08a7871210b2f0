"""Cutting a batch into pieces that a plan's profiles take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from service.domain.tensors import Array
from service.errors import EngineFailed
from service.plans.profiles import Profile, Profiles, profile_for


@dataclass(frozen=True, slots=True)
class Piece:
    """Some rows of a batch, from step `start` on for `steps` steps, run at once and padded to a profile.

    A piece that `goes_on` takes the states that the piece before it left on the device: its rows are the
    first of that piece's.
    """

    profile: int
    rows: slice | Array
    row_count: int
    start: int
    steps: int
    padded_rows: int
    padded_steps: int
    goes_on: bool

    @property
    def span(self) -> slice:
        return slice(self.start, self.start + self.steps)


def longest(profiles: Profiles) -> int:
    """The most steps that run in one piece."""
    return max(profile.steps.most for profile in profiles)


def cut(profiles: Profiles, lengths: Array, is_causal: bool) -> list[Piece]:
    """Pieces for rows of these lengths `[rows]`, in the order to run them.

    One piece where a profile takes the batch whole; groups of rows where it has too many. Sequences longer
    than any profile are cut in time where the model is causal; raises EngineFailed where it is not.
    """
    limit, steps = longest(profiles), int(lengths.max())
    if steps > limit and not is_causal:
        raise EngineFailed(
            f"sequence: {steps} steps, expected at most {limit}, the plan's longest profile: "
            f"the model looks ahead and cannot be cut"
        )
    # Longest first: the rows that still go on are then always the first ones.
    order = np.argsort(-lengths, kind="stable") if steps > limit else None
    pieces: list[Piece] = []
    first = 0
    while first < len(lengths):
        group = slice(first, first + _most_rows(profiles, min(steps, limit), len(lengths) - first))
        rows = group if order is None else order[group]
        pieces += _cut_in_time(profiles, rows, lengths[rows], limit)
        first = group.stop
    return pieces


def choose(profiles: Profiles, steps: int, rows: int) -> int:
    """The profile for a batch of at most the longest profile's steps; it may take only some of the rows."""
    reaching = [index for index, profile in enumerate(profiles) if steps <= profile.steps.most]
    most = max(profiles[index].rows.most for index in reaching)
    index = profile_for(profiles, steps, min(rows, most))
    if index is not None:
        return index
    # Too few steps or rows for all of them: the one that takes most rows and pads least.
    return min(reaching, key=lambda index: _shortfall(profiles[index], steps, min(rows, most)))


def padded_rows(profile: Profile, rows: int) -> int:
    """Rows as they are run: powers of two on a fixed profile, so that few graphs serve all batches."""
    bucket = 1 << (rows - 1).bit_length() if profile.is_fixed else rows
    return min(max(bucket, profile.rows.least), profile.rows.most)


def _shortfall(profile: Profile, steps: int, rows: int) -> tuple[int, int, int]:
    return rows - profile.rows.most, max(steps, profile.steps.least), max(rows, profile.rows.least)


def _most_rows(profiles: Profiles, steps: int, rows: int) -> int:
    return min(rows, profiles[choose(profiles, steps, rows)].rows.most)


def _cut_in_time(profiles: Profiles, rows: slice | Array, lengths: Array, limit: int) -> Iterator[Piece]:
    start, end = 0, int(lengths.max())
    while start < end:
        steps = min(end - start, limit)
        count = int(np.count_nonzero(lengths > start)) if start else len(lengths)
        index = choose(profiles, steps, count)
        profile = profiles[index]
        yield Piece(
            profile=index,
            rows=rows if not start or isinstance(rows, slice) else rows[:count],
            row_count=count,
            start=start,
            steps=steps,
            padded_rows=padded_rows(profile, count),
            padded_steps=max(steps, profile.steps.least),
            goes_on=start > 0,
        )
        start += steps
