"""What a server that keeps its sessions in a store does by itself: be there, save, and give up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from service.errors import ClaimLost, StoreUnavailable
from service.sessions.claiming import Claiming
from service.sessions.keeping import LEASE_S, Keeping
from service.sessions.stores.store import SnapshotStore
from service.sessions.turns import Turns
from service.sessions.writer import Writer
from service.telemetry.metrics import SaveMetrics

_BEAT_S = 0.1
# Longer than a lease: whoever runs a session gives it up, or is found to be gone.
LONGEST_WAIT_S = 5.0
_LONGEST_FLUSH_S = 1.0
_logger = structlog.get_logger()


class Upkeep:
    """The store has every session that is opened, and its steps at most `save_s` after their answers.

    With 0 it has them before.
    """

    def __init__(
        self,
        store: SnapshotStore,
        owner: str,
        turns: Turns,
        metrics: SaveMetrics,
        save_s: float,
        longest_wait_s: float,
    ) -> None:
        self._store = store
        self._owner = owner
        self._turns = turns
        self._metrics = metrics
        self._flush_s = min(save_s / 2, _LONGEST_FLUSH_S) if save_s else _LONGEST_FLUSH_S
        self.keeping = Keeping(Writer(store, metrics), turns, is_ahead=save_s == 0)
        self.claiming = Claiming(store, owner, self.keeping, turns, longest_wait_s)
        self._is_ending = self._is_stopped = False
        self._loops: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Do now and again what `beat` and `flush` do."""
        self._loops = [
            asyncio.create_task(self._again_and_again(self.beat, _BEAT_S)),
            asyncio.create_task(self._again_and_again(self.keeping.flush, self._flush_s)),
        ]

    def end(self) -> None:
        """Give up nothing more: all is being saved."""
        self._is_ending = True

    async def stop(self) -> None:
        # A store's client may swallow the cancellation: then the loop ends when it has returned.
        self._is_stopped = True
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)

    async def beat(self) -> None:
        """Say that this server is there, and begin to give up what others ask it for."""
        try:
            wanted = await self._store.beat(self._owner, LEASE_S)
        except StoreUnavailable as failure:
            self.keeping.unheard()
            self._metrics.failed("beat")
            _logger.warning("session store is away", reason=failure.message)
            return
        self.keeping.heard()
        for key in () if self._is_ending else wanted:
            self._turns.begin(self._give_up(key))

    async def _give_up(self, key: str) -> None:
        try:
            if key in self.keeping:
                await self.keeping.give_up(key)
            else:
                await self.claiming.give_back(key)
        except ClaimLost:
            # The other has it already.
            return
        except StoreUnavailable as failure:
            # The other asks again.
            _logger.warning("session not given up", reason=failure.message)

    async def _again_and_again(self, work: Callable[[], Awaitable[None]], pause_s: float) -> None:
        while not self._is_stopped:
            try:
                await work()
            except Exception:
                # The next time may go well, and without it sessions would be lost later.
                _logger.exception("upkeep of sessions failed")
            await asyncio.sleep(pause_s)
