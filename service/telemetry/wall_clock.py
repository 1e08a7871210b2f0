"""From the monotonic clock, which measures, to the wall clock, which everybody shares."""

from __future__ import annotations

import time
from typing import NamedTuple


class WallClock(NamedTuple):
    """A moment on both clocks.

    Read anew for each request and each batch, since the wall clock may be set while the server runs; within
    one, times keep their order and their distances.
    """

    clock_s: float
    wall_ns: int

    @classmethod
    def at(cls, now_s: float) -> WallClock:
        """`now_s` is the monotonic clock's present."""
        return cls(now_s, time.time_ns())

    def ns(self, at_s: float) -> int:
        """Nanoseconds since 1970 of a moment on the monotonic clock."""
        return self.wall_ns + round((at_s - self.clock_s) * 1e9)
