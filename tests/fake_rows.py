"""Rows that are moved as the kernels do it, and only what they can be asked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from fake_memory import FakeMemory
from fake_rules import Rules

_WORD = 4
_MOST_BLOCKS = (1 << 31) - 1
_NOWHERE = -1


@dataclass(frozen=True)
class RowMoves:
    """One launch. Refused at once: a grid that is none, memory that is not aligned, half a word."""

    memory: FakeMemory
    rules: Rules
    table: int
    places: int
    rows: int
    row_bytes: int

    def __post_init__(self) -> None:
        self.rules.must(0 < self.rows <= _MOST_BLOCKS, f"a grid of {self.rows} blocks")
        self.rules.must(self.row_bytes > 0, "rows of no words")
        self.rules.must(self.row_bytes % _WORD == 0, "rows of half a word")
        self.rules.must(not (self.table | self.places) % _WORD, "memory that is not aligned")

    def gather(self, batch: int) -> None:
        for row, place in self._moved():
            self._copy(batch + row * self.row_bytes, self.table + place * self.row_bytes)

    def scatter(self, batch: int) -> None:
        moved = self._moved()
        places = [place for _, place in moved]
        self.rules.must(len(set(places)) == len(places), "two rows are written to one place")
        self.rules.must(0 not in places, "the row of zeros is written")
        for row, place in moved:
            self._copy(self.table + place * self.row_bytes, batch + row * self.row_bytes)

    def _moved(self) -> list[tuple[int, int]]:
        found = self.memory.view(self.places, _WORD * self.rows).view(np.int32).tolist()
        self.rules.must(min(found) >= _NOWHERE, f"no places: {found}")
        return [(row, place) for row, place in enumerate(found) if place != _NOWHERE]

    def _copy(self, target: int, source: int) -> None:
        self.memory.view(target, self.row_bytes)[:] = self.memory.view(source, self.row_bytes)
