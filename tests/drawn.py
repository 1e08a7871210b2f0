"""How many examples hypothesis draws for a test: few every day, in proportion in another profile."""

from __future__ import annotations

from hypothesis import settings

USUAL = 60


def examples(count: int) -> settings:
    """So many where a profile draws the USUAL number, ten times as many where it draws ten times that."""
    return settings(max_examples=max(1, count * settings().max_examples // USUAL))


def is_thorough() -> bool:
    """Whether the profile draws more than usual."""
    return settings().max_examples > USUAL
