"""The sessions that one server has claimed, and what becomes of each: saved, given up, lost or ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

import structlog

from service.errors import CarouselError, ClaimLost, StoreUnavailable
from service.sessions.kept_session import CLAIM_LOST, MOVED_AWAY, KeptSession
from service.sessions.removals import Removals
from service.sessions.session import Session
from service.sessions.sessions import Sessions
from service.sessions.snapshot import Snapshot
from service.sessions.stores.store import Claim
from service.sessions.turns import Turns
from service.sessions.writer import Writer

# After so long without a word a server counts as gone.
LEASE_S = 3.0
_logger = structlog.get_logger()


class Keeping:
    """A session is claimed for as long as it is in a table here.

    `is_ahead`: a step is in the store before it is answered; else `flush` saves what has run since it was
    last called.
    """

    def __init__(self, writer: Writer, turns: Turns, *, is_ahead: bool) -> None:
        self.is_ahead = is_ahead
        self.removals = Removals(turns, writer.metrics)
        self._writer = writer
        self._turns = turns
        self._kept: dict[str, KeptSession] = {}
        self._unsaved: dict[KeptSession, None] = {}
        # How often the store had not heard of this server for longer than its lease.
        self.lapses = 0
        self._heard_s = time.monotonic()
        self._is_store_away = False

    def __contains__(self, key: str) -> bool:
        return key in self._kept

    def heard(self) -> None:
        """The store knows that this server is there."""
        now_s = time.monotonic()
        self.lapses += now_s - self._heard_s >= LEASE_S
        self._heard_s, self._is_store_away = now_s, False

    def unheard(self) -> None:
        """The store is away, for all we know for everybody."""
        self._is_store_away = True

    def is_sure(self, confirmed: int) -> bool:
        is_heard = self._is_store_away or time.monotonic() - self._heard_s < LEASE_S
        return is_heard and confirmed == self.lapses

    def add(self, key: str, table: Sessions, session: Session, claim: Claim) -> KeptSession:
        """From now on the session keeps a journal."""
        kept = self._kept[key] = KeptSession(key, table, session, claim, self, self._writer)
        session.journal = kept
        return kept

    async def flush(self) -> None:
        """Save what has run and is not saved yet, and forget what has ended."""
        self.removals.try_again()
        outcomes = await asyncio.gather(*(self._saved(kept) for kept in list(self._unsaved)))
        self._writer.metrics.unsaved(len(self._unsaved))
        failures = [failure for failure in outcomes if failure is not None]
        if failures:
            _logger.warning("sessions are not saved yet", count=len(failures), reason=failures[0].message)

    async def give_up(self, key: str) -> None:
        """Let another server have it, after the step that is running; raises StoreUnavailable."""
        async with self._turns.of(key):
            kept = self._kept.get(key)
            if kept is None or not await self._let_go(kept):
                return
            await kept.release()

    def note_unsaved(self, kept: KeptSession) -> None:
        if self._kept.get(kept.key) is kept:
            self._unsaved[kept] = None

    def note_saved(self, kept: KeptSession) -> None:
        self._unsaved.pop(kept, None)

    def save_now(self, kept: KeptSession, snapshot: Snapshot) -> None:
        # What has gone meanwhile may be another's.
        self._turns.begin(self._save(kept, lambda: snapshot if self._kept.get(kept.key) is kept else None))

    def forget(self, kept: KeptSession) -> None:
        self._drop(kept)
        self.removals.add(kept)

    def lose(self, kept: KeptSession, reason: str) -> None:
        self._drop(kept)
        if kept.session.is_open:
            kept.table.let_go(kept.session, reason)

    def set_aside(self, kept: KeptSession, snapshot: Snapshot) -> None:
        is_unsaved = kept in self._unsaved
        self._drop(kept)
        self._turns.begin(self._leave(kept, snapshot if is_unsaved else None))

    async def _let_go(self, kept: KeptSession) -> bool:
        """Whether the store has it as it is, and it is gone here."""
        session = kept.session
        async with session.lock:
            # It may have ended meanwhile, or gone on in another version.
            if not session.is_open or session is not kept.session:
                return False
            try:
                if kept in self._unsaved:
                    await kept.save_snapshot(kept.table.snapshot_at_rest(session))
            except ClaimLost:
                self.lose(kept, CLAIM_LOST)
                return False
            is_still_here = session.is_open
            if is_still_here:
                self.lose(kept, MOVED_AWAY)
            return is_still_here

    async def _saved(self, kept: KeptSession) -> CarouselError | None:
        try:
            await kept.save()
        except CarouselError as failure:
            return self._not_saved(kept, failure)
        return None

    async def _save(self, kept: KeptSession, taken: Callable[[], Snapshot | None]) -> None:
        try:
            await kept.save_what(taken)
        except CarouselError as failure:
            self._not_saved(kept, failure)

    def _not_saved(self, kept: KeptSession, failure: CarouselError) -> CarouselError:
        self._writer.metrics.failed("save")
        if isinstance(failure, ClaimLost):
            self.lose(kept, CLAIM_LOST)
        elif not isinstance(failure, StoreUnavailable):
            # No store will ever take it as it is; after its next step it may.
            self.note_saved(kept)
        return failure

    async def _leave(self, kept: KeptSession, snapshot: Snapshot | None) -> None:
        async with self._turns.of(kept.key):
            await self._save(kept, lambda: snapshot)
            with suppress(StoreUnavailable):
                await kept.release()

    def _drop(self, kept: KeptSession) -> None:
        if self._kept.get(kept.key) is kept:
            del self._kept[kept.key]
        self._unsaved.pop(kept, None)
