"""What a program must not do to a device: each breach is an AssertionError, and is noted.

Noted, since whoever runs batches takes an AssertionError for one more way for an engine to fail.
"""

from __future__ import annotations


class Rules:
    """`broken` says what was done against them."""

    def __init__(self) -> None:
        self.broken: list[str] = []

    def must(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.broken.append(otherwise)
            raise AssertionError(otherwise)
