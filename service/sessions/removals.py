"""Sessions that have ended, and that the store has yet to forget."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from service.errors import ClaimLost, StoreUnavailable
from service.sessions.kept_session import KeptSession
from service.sessions.turns import Turns
from service.telemetry.metrics import SaveMetrics

# Those beyond expire in the store by themselves.
_MOST = 10_000


class Removals:
    """Tries at once, and again when told to: a store that is away keeps no session from ending."""

    def __init__(self, turns: Turns, metrics: SaveMetrics) -> None:
        self._turns = turns
        self._metrics = metrics
        self._waiting: dict[str, KeptSession] = {}
        self._running: dict[str, asyncio.Task[None]] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._waiting

    def add(self, kept: KeptSession) -> None:
        self._waiting[kept.key] = kept
        while len(self._waiting) > _MOST:
            del self._waiting[next(iter(self._waiting))]
        self._begin(kept.key)

    def overtake(self, key: str) -> None:
        """Another session has taken its place in the store."""
        self._waiting.pop(key, None)

    def try_again(self) -> None:
        for key in list(self._waiting):
            self._begin(key)

    async def tried(self, key: str) -> None:
        """Wait until the store has been asked."""
        if running := self._running.get(key):
            await asyncio.wait([running])

    def _begin(self, key: str) -> None:
        if key not in self._running:
            task = self._running[key] = self._turns.begin(self._remove(key))
            task.add_done_callback(lambda _: self._running.pop(key, None))

    async def _remove(self, key: str) -> None:
        async with self._turns.of(key):
            kept = self._waiting.get(key)
            if kept is None:
                return
            try:
                # Where another server has it by now, it is not ours to remove.
                with suppress(ClaimLost):
                    await kept.delete()
            except StoreUnavailable:
                self._metrics.failed("delete")
            else:
                if self._waiting.get(key) is kept:
                    del self._waiting[key]
