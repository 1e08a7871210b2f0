"""Watches an engine's batches: one that does not end in time is reported as stalled, once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from service.backends.engine_thread import Engine, OnOutcome, Outcome
from service.domain.batches import Batch
from service.domain.clock import Clock
from service.errors import EngineStalled

# A batch this long may take one `stall_s`, one twice as long twice that.
_STEPS_PER_STALL = 1024


@dataclass(slots=True, eq=False)
class _Watched:
    """A batch with the engine, and how long it may take once it is its turn."""

    limit_s: float
    on_outcome: OnOutcome
    is_late: bool = False


class Watchdog:
    """Every batch given to `run` has one outcome, in time. Lives on the event loop.

    An engine runs in order, so only the first batch is on its time: one behind it is not late, and where
    the first has stalled, those behind it have too.
    """

    def __init__(self, engine: Engine, clock: Clock, stall_s: float) -> None:
        self._engine = engine
        self._clock = clock
        self._stall_s = stall_s
        self._watched: list[_Watched] = []
        self._timer: asyncio.TimerHandle | None = None
        self.hanging = 0

    def run(self, batch: Batch, on_outcome: OnOutcome) -> None:
        """Run it, and report a stall where nothing comes back in time; what comes later is ignored."""
        limit_s = self._stall_s * max(1.0, batch.padded_steps / _STEPS_PER_STALL)
        watched = _Watched(limit_s, on_outcome)
        self._watched.append(watched)
        if len(self._watched) == 1:
            self._watch_first()
        self._engine.submit(batch, lambda outcome: self._ended(watched, outcome))

    def _ended(self, watched: _Watched, outcome: Outcome) -> None:
        if watched.is_late:
            self.hanging -= 1
            return
        is_first = watched is self._watched[0]
        self._watched.remove(watched)
        if is_first:
            self._watch_first()
        watched.on_outcome(outcome)

    def _watch_first(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._watched:
            self._timer = self._clock.call_at(self._clock.now() + self._watched[0].limit_s, self._stalled)

    def _stalled(self) -> None:
        stalled, self._watched = self._watched, []
        engine = self._engine.capability.engine
        failure = EngineStalled(f"{engine} has not answered within {stalled[0].limit_s:g} s")
        self.hanging += len(stalled)
        for watched in stalled:
            watched.is_late = True
        for watched in stalled:
            watched.on_outcome(failure)
