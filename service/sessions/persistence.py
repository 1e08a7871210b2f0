"""Sessions over a restart: the end writes them all, and each waits in the store until it is asked for."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterable
from weakref import WeakValueDictionary

import structlog
from prometheus_client import Counter

from service.errors import CarouselError, StoreUnavailable
from service.sessions.session import Session, check_owner
from service.sessions.sessions import Sessions
from service.sessions.snapshot_format import dump, load
from service.sessions.stores.store import SnapshotStore

# As long as it takes to hand one session over, with room for a slow disk.
_LEASE_S = 30.0
_LONGEST_SAVE_S = 10.0
_AT_ONCE = 64
_logger = structlog.get_logger()


class Persistence:
    """What one server does with a store.

    A session is in a table or in the store, never in both: whoever takes it out goes on with it alone, and
    what a server that was killed had in its tables is lost.
    """

    def __init__(
        self, store: SnapshotStore, failures: Counter, longest_save_s: float = _LONGEST_SAVE_S
    ) -> None:
        self._store = store
        self._failures = failures
        self._longest_save_s = longest_save_s
        self._owner = f"carousel-{uuid.uuid4().hex[:12]}"
        # Those who ask for one session at the same time take it out once.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._resuming: set[asyncio.Task[None]] = set()

    async def resume(self, sessions: Sessions, identity: str) -> None:
        """Have a session that waits in the store go on; without one, or where it has ended, nothing happens.

        Raises NotFound where it is somebody else's, StoreUnavailable, ClaimLost, and what `Sessions.restore`
        does; then it still waits.
        """
        task = asyncio.create_task(self._in_turn(sessions, identity))
        self._resuming.add(task)
        task.add_done_callback(self._resuming.discard)
        # A caller who leaves must not leave the session neither in the store nor in a table.
        await asyncio.shield(task)

    async def _in_turn(self, sessions: Sessions, identity: str) -> None:
        key = _key(sessions, identity)
        turn = self._turns.setdefault(key, asyncio.Lock())
        async with turn:
            if sessions.knows(identity):
                return
            try:
                await self._resume(sessions, identity, key)
            except StoreUnavailable:
                self._failures.labels("resume").inc()
                raise

    async def save(self, tables: Iterable[Sessions]) -> None:
        """Write every open session, the latest used first; gives up after a while, and says what is lost."""
        waiting = [(table, session) for table in tables for session in table]
        if not waiting:
            return
        started_s = time.perf_counter()
        waiting.sort(key=lambda pair: pair[1].used_s, reverse=True)
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
            self._failures.labels("save").inc(len(failures))
            _logger.error("sessions are lost", count=len(failures), reason=_worded(failures[0]))

    async def close(self) -> None:
        await self._store.close()

    async def _resume(self, sessions: Sessions, identity: str, key: str) -> None:
        content = await self._store.get(key)
        if content is None:
            return
        # Before it is claimed: another model's state stays for the model it is of, a session for its owner.
        waiting = load(content)
        sessions.check(waiting)
        check_owner(waiting.owner, identity)
        claim = await self._store.claim(key, self._owner, _LEASE_S)
        try:
            content = await self._store.take(claim)
            if content is None:
                return
            snapshot = load(content)
            try:
                sessions.restore(snapshot, identity, "store")
            except CarouselError:
                await self._store.put(claim, content, snapshot.expires_s, _LEASE_S)
                raise
        finally:
            await self._store.release(claim)

    async def _save(self, places: asyncio.Semaphore, sessions: Sessions, session: Session) -> None:
        async with places:
            snapshot = await sessions.snapshot(session)
            claim = await self._store.claim(_key(sessions, session.id), self._owner, _LEASE_S)
            try:
                await self._store.put(claim, dump(snapshot), snapshot.expires_s, _LEASE_S)
            finally:
                await self._store.release(claim)


def _key(sessions: Sessions, identity: str) -> str:
    """Not by version: the next one goes on with it where it can."""
    return f"{sessions.origin.model}/{identity}"


def _worded(failure: BaseException) -> str:
    return "not written in time" if isinstance(failure, asyncio.CancelledError) else str(failure)
