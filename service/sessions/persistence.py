"""Sessions over the end of a server: a store has them, as they were then or as they are while it runs."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterable
from contextlib import suppress

import structlog

from service.errors import CarouselError, StoreUnavailable
from service.sessions.session import Session, check_owner
from service.sessions.sessions import Sessions
from service.sessions.snapshot_format import dump, load
from service.sessions.stores.store import SnapshotStore
from service.sessions.turns import Turns
from service.sessions.upkeep import LONGEST_WAIT_S, Upkeep
from service.telemetry.metrics import SaveMetrics

# As long as it takes to hand one session over, with room for a slow disk.
_LEASE_S = 30.0
_LONGEST_SAVE_S = 10.0
_AT_ONCE = 64
_logger = structlog.get_logger()


class Persistence:
    """What one server does with a store.

    `save_s` None: a session is in a table or in the store, never in both, and what a server that was killed
    had in its tables is lost. Else both have it, and `upkeep` sees to it.
    """

    def __init__(
        self,
        store: SnapshotStore,
        metrics: SaveMetrics,
        save_s: float | None = None,
        longest_save_s: float = _LONGEST_SAVE_S,
        longest_wait_s: float = LONGEST_WAIT_S,
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._longest_save_s = longest_save_s
        self._owner = f"carousel-{uuid.uuid4().hex[:12]}"
        self._turns = Turns()
        self.upkeep = (
            None
            if save_s is None
            else Upkeep(store, self._owner, self._turns, metrics, save_s, longest_wait_s)
        )

    async def keep(self, sessions: Sessions, session: Session) -> None:
        """Have a session that was just opened in the store, if sessions are there while they run.

        The caller holds its lock, and ends it before letting go of that if it has to leave.
        Raises SessionExists where its id is in use on another server, and StoreUnavailable.
        """
        if self.upkeep is not None:
            key = _key(sessions, session.id)
            await self._turns.finished(self.upkeep.claiming.keep(sessions, session, key))

    async def check_free(self, sessions: Sessions, identity: str) -> None:
        """Raises SessionExists where one of this id is under way, wherever; StoreUnavailable.

        Whoever runs it is not disturbed.
        """
        if self.upkeep is not None:
            await self.upkeep.claiming.check_free(sessions, identity, _key(sessions, identity))

    async def ended(self, sessions: Sessions, identity: str) -> None:
        """Wait until the store has been asked to forget a session that has ended here."""
        if self.upkeep is not None:
            await self.upkeep.keeping.removals.tried(_key(sessions, identity))

    async def resume(self, sessions: Sessions, identity: str) -> None:
        """Have a session that waits in the store go on; without one, or where it has ended, nothing happens.

        One that another server runs is asked for. Raises NotFound where it is somebody else's,
        StoreUnavailable, ClaimLost, and what `Sessions.restore` does; then it still waits.
        """
        # A caller who leaves must not leave the session neither in the store nor in a table.
        await self._turns.finished(self._counted(sessions, identity))

    async def save(self, tables: Iterable[Sessions]) -> None:
        """Write every open session, the latest used first; gives up after a while, and says what is lost."""
        waiting = [(table, session) for table in tables for session in table]
        waiting.sort(key=lambda pair: pair[1].used_s, reverse=True)
        if not waiting:
            return
        started_s = time.perf_counter()
        await self._be_there()
        places = asyncio.Semaphore(_AT_ONCE)
        tasks = [asyncio.create_task(self._save(places, table, session)) for table, session in waiting]
        _, late = await asyncio.wait(tasks, timeout=self._longest_save_s)
        for task in late:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        failures = [outcome for outcome in outcomes if outcome is not None]
        elapsed_s = round(time.perf_counter() - started_s, 3)
        _logger.info("sessions saved", count=len(tasks) - len(failures), seconds=elapsed_s)
        if failures:
            self._metrics.failed("save", len(failures))
            _logger.error("sessions are lost", count=len(failures), reason=_worded(failures[0]))

    async def close(self) -> None:
        """Let go of every claim, and of the store."""
        if self.upkeep is not None:
            await self.upkeep.stop()
        await self._turns.all_ended(self._longest_save_s)
        with suppress(StoreUnavailable):
            await self._store.depart(self._owner)
        await self._store.close()

    async def _counted(self, sessions: Sessions, identity: str) -> None:
        key = _key(sessions, identity)
        try:
            if self.upkeep is not None:
                await self.upkeep.claiming.resume(sessions, identity, key)
            else:
                await self._take_out(sessions, identity, key)
        except StoreUnavailable:
            self._metrics.failed("resume")
            raise

    async def _take_out(self, sessions: Sessions, identity: str, key: str) -> None:
        async with self._turns.of(key):
            content = None if sessions.knows(identity) else await self._store.get(key)
            if content is None:
                return
            # Before it is claimed: another model's state is for that model, a session for its owner.
            waiting = load(content)
            sessions.check(waiting)
            check_owner(waiting.owner, identity)
            await self._store.beat(self._owner, _LEASE_S)
            claim = await self._store.claim(key, self._owner, is_asking=True)
            try:
                content = await self._store.take(claim)
                if content is None:
                    return
                snapshot = load(content)
                try:
                    sessions.restore(snapshot, identity, "store")
                except CarouselError:
                    await self._store.put(claim, content, snapshot.expires_s)
                    raise
            finally:
                await self._store.release(claim)

    async def _be_there(self) -> None:
        """For as long as all is saved."""
        if self.upkeep is not None:
            self.upkeep.end()
        with suppress(StoreUnavailable):
            await self._store.beat(self._owner, _LEASE_S)

    async def _save(self, places: asyncio.Semaphore, sessions: Sessions, session: Session) -> None:
        async with places:
            if session.journal is not None:
                await session.journal.save_for_good()
                return
            snapshot = await sessions.snapshot(session)
            claim = await self._store.claim(_key(sessions, session.id), self._owner)
            try:
                await self._store.put(claim, dump(snapshot), snapshot.expires_s)
            finally:
                await self._store.release(claim)


def _key(sessions: Sessions, identity: str) -> str:
    """Not by version: the next one goes on with it where it can."""
    return f"{sessions.origin.model}/{identity}"


def _worded(failure: BaseException) -> str:
    return "not written in time" if isinstance(failure, asyncio.CancelledError) else str(failure)
