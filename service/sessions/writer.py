"""Snapshots on their way into a store: so many at a time, and none for ever."""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractAsyncContextManager

from service.errors import StoreUnavailable
from service.sessions.snapshot import Snapshot
from service.sessions.snapshot_format import dump
from service.sessions.stores.store import Claim, SnapshotStore
from service.telemetry.metrics import SaveMetrics

_LONGEST_PUT_S = 5.0
# A session that is being written takes its memory twice.
_PUTS_AT_ONCE = 256


class Writer:
    """Puts snapshots into one store, and counts how long that takes."""

    def __init__(self, store: SnapshotStore, metrics: SaveMetrics) -> None:
        self.store = store
        self.metrics = metrics
        self._places = asyncio.Semaphore(_PUTS_AT_ONCE)

    def place(self) -> AbstractAsyncContextManager[None]:
        """To be held while a session is taken and put."""
        return self._places

    async def put(self, claim: Claim, snapshot: Snapshot, *, is_lasting: bool = False) -> None:
        """Raises ClaimLost, InvalidSnapshot, StoreUnavailable, also where the store takes too long."""
        # The first of a session is read back, and the others have its shapes.
        content = dump(snapshot, is_read_back=snapshot.step_number == 0)
        started_s = time.perf_counter()
        try:
            async with asyncio.timeout(_LONGEST_PUT_S):
                await self.store.put(claim, content, snapshot.expires_s, is_lasting=is_lasting)
        except TimeoutError:
            raise StoreUnavailable(
                f"session store: has not taken a session within {_LONGEST_PUT_S:.0f} s"
            ) from None
        self.metrics.saved(time.perf_counter() - started_s)
