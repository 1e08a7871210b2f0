"""How many examples hypothesis draws for a test: few every day, in proportion in another profile."""

from __future__ import annotations

from hypothesis import settings

# What counts are given for, and what of it is drawn every day: the same examples each time.
USUAL = 60
DAILY = 24


def examples(count: int) -> settings:
    """So many of the USUAL number: two fifths of it every day, ten times as many before a release."""
    return settings(max_examples=max(1, count * settings().max_examples // USUAL))


def is_thorough() -> bool:
    """Whether the profile draws more than usual."""
    return settings().max_examples > USUAL
