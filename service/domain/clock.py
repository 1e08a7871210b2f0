"""Time as an argument, so that tests can turn the hands."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """Monotonic seconds, and a callback at a given second."""

    def now(self) -> float: ...

    def call_at(self, when_s: float, callback: Callable[[], None]) -> asyncio.TimerHandle: ...


class LoopClock:
    """Real time: the finest monotonic clock, and the running event loop's timers.

    The loop's own clock is not read: uvloop's has a resolution of a millisecond.
    """

    now = staticmethod(time.perf_counter)

    def call_at(self, when_s: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        delay_s = when_s - self.now()
        return asyncio.get_running_loop().call_later(delay_s if delay_s > 0 else 0.0, callback)
