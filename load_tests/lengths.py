"""How long sequences are: the length distributions that workloads and traces draw from."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

Lengths: TypeAlias = Callable[[np.random.Generator, int], list[int]]
"""Draws so many lengths in steps, each at least 1."""

# With this seed the samples drawn here have nearly the means of their distributions.
SEED = 11

LOGNORMAL_MEDIAN = 24
LOGNORMAL_CAP = 330
_LOGNORMAL_SIGMA = 0.95
_UNIFORM_LONGEST = 256
_EXPONENTIAL_MEAN = 62


def always_twenty(random: np.random.Generator, count: int) -> list[int]:
    return [20] * count


def lognormal(random: np.random.Generator, count: int) -> list[int]:
    """Like sentences of text: most are short, a few are very long."""
    drawn = LOGNORMAL_MEDIAN * np.exp(_LOGNORMAL_SIGMA * random.standard_normal(count))
    return _whole(drawn, LOGNORMAL_CAP)


def uniform(random: np.random.Generator, count: int) -> list[int]:
    return _whole(random.integers(1, _UNIFORM_LONGEST, count, endpoint=True), _UNIFORM_LONGEST)


def exponential(random: np.random.Generator, count: int) -> list[int]:
    return _whole(random.exponential(_EXPONENTIAL_MEAN, count), np.inf)


def _whole(drawn: np.ndarray, longest: float) -> list[int]:
    return [int(length) for length in np.clip(np.rint(drawn), 1, longest)]
