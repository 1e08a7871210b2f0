"""A row of the table of states."""

from __future__ import annotations

from typing import NamedTuple


class Slot(NamedTuple):
    """Which row, and which of its tenants this is."""

    row: int
    generation: int


FRESH = Slot(0, 0)
"""Zeros, for ever: where a sequence that has not begun starts from."""
