"""A session that this server runs with a claim, and what the store has of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from service.errors import CarouselError, ClaimLost, StoreUnavailable
from service.sessions.session import Session
from service.sessions.sessions import Sessions
from service.sessions.snapshot import Snapshot
from service.sessions.stores.store import Claim
from service.sessions.writer import Writer

CLAIM_LOST = "claim_lost"
MOVED_AWAY = "moved_away"


class Keeper(Protocol):
    """Who knows every session that is kept, and which of them the store does not have as they are."""

    is_ahead: bool
    lapses: int

    def is_sure(self, confirmed: int) -> bool:
        """Whether nobody can have claimed what was confirmed after so many lapses."""

    def note_unsaved(self, kept: KeptSession) -> None: ...

    def note_saved(self, kept: KeptSession) -> None: ...

    def save_now(self, kept: KeptSession, snapshot: Snapshot) -> None: ...

    def forget(self, kept: KeptSession) -> None:
        """It has ended: what the store has of it is of no use."""

    def lose(self, kept: KeptSession, reason: str) -> None:
        """Another server has it, or may have it."""

    def set_aside(self, kept: KeptSession, snapshot: Snapshot) -> None:
        """It is nobody's for now."""


class KeptSession:
    """The journal of one session.

    What is put is put in the order of the steps. After a put that failed nobody knows whether it was done,
    or is still on its way: the claim is renewed before the next, and the one before can no longer count.
    """

    def __init__(
        self, key: str, table: Sessions, session: Session, claim: Claim, keeper: Keeper, writer: Writer
    ) -> None:
        self.key = key
        self.table = table
        self.session = session
        self.claim = claim
        self.is_ahead = keeper.is_ahead
        self._keeper = keeper
        self._writer = writer
        self._putting = asyncio.Lock()
        self._confirmed = keeper.lapses
        self._is_doubtful = False
        self._is_overdue = False

    @property
    def is_sure(self) -> bool:
        return self._keeper.is_sure(self._confirmed)

    async def confirm(self) -> None:
        lapses = self._keeper.lapses
        try:
            async with self._putting:
                await self._renew()
            self._confirmed = lapses
        except ClaimLost:
            self._keeper.lose(self, CLAIM_LOST)
        except StoreUnavailable:
            # Who saves in the background goes on while the store is away, and is told later.
            if self.is_ahead:
                raise

    async def record(self, snapshot: Snapshot) -> None:
        """Raises StoreUnavailable, and ClaimLost where another server has the session: it is gone here."""
        try:
            # Where it has ended meanwhile, another may be under its key by now.
            await self._put(lambda: snapshot if self.session.is_open else None)
        except ClaimLost:
            self._keeper.lose(self, CLAIM_LOST)
            raise
        except BaseException as failure:
            # The store may have a step that nobody was told of.
            self._keeper.note_unsaved(self)
            if isinstance(failure, CarouselError):
                self._writer.metrics.failed("save")
            raise

    def committed(self) -> None:
        if self.is_ahead:
            self._keeper.note_saved(self)
            return
        self._keeper.note_unsaved(self)
        if self._is_overdue:
            self._is_overdue = False
            self._keeper.save_now(self, self.table.snapshot_at_rest(self.session))

    def used(self) -> None:
        self._keeper.note_unsaved(self)

    def ended(self) -> None:
        self._keeper.forget(self)

    def moved(self, table: Sessions, session: Session) -> None:
        self.table, self.session = table, session
        session.journal = self

    def set_aside(self, snapshot: Snapshot) -> None:
        self._keeper.set_aside(self, snapshot)

    async def save(self) -> None:
        """Put it as it is, or, where a step is running, once that is committed; raises as `save_snapshot`."""
        await self.save_what(self._at_rest)

    async def save_for_good(self) -> None:
        """After the step that is running, also over a power cut; raises as `save_snapshot` does."""
        async with self.session.lock:
            if not self.session.is_open:
                return
            try:
                await self.save_snapshot(self.table.snapshot_at_rest(self.session), is_lasting=True)
            except ClaimLost:
                # It goes on elsewhere.
                self._keeper.lose(self, CLAIM_LOST)

    async def save_snapshot(self, snapshot: Snapshot, *, is_lasting: bool = False) -> None:
        """Raises StoreUnavailable, ClaimLost, and InvalidSnapshot where no store could give it back."""
        await self.save_what(lambda: snapshot, is_lasting=is_lasting)

    async def delete(self) -> None:
        """Have the store forget a session that has ended; raises StoreUnavailable, ClaimLost."""
        # What its last step puts is put before, or not at all.
        async with self.session.lock:
            await self._renew()
            await self._writer.store.delete(self.claim)

    async def release(self) -> None:
        await self._writer.store.release(self.claim)

    def _at_rest(self) -> Snapshot | None:
        """None where it has ended, and while a step is running: that is saved as soon as it is committed."""
        if self.session.lock.locked():
            self._is_overdue = True
        elif self.session.is_open:
            return self.table.snapshot_at_rest(self.session)
        return None

    async def save_what(self, taken: Callable[[], Snapshot | None], *, is_lasting: bool = False) -> None:
        """Put what this gives when its turn has come, if anything; raises as `save_snapshot` does."""
        snapshot = await self._put(taken, is_lasting=is_lasting)
        if snapshot is not None and self.session.step == snapshot.step_number:
            self._keeper.note_saved(self)

    async def _put(
        self, taken: Callable[[], Snapshot | None], *, is_lasting: bool = False
    ) -> Snapshot | None:
        """What was put; taken only now, so that few wait in memory."""
        async with self._putting, self._writer.place():
            snapshot = taken()
            if snapshot is not None:
                if self._is_doubtful:
                    await self._renew()
                self._is_doubtful = True
                await self._writer.put(self.claim, snapshot, is_lasting=is_lasting)
                self._is_doubtful = False
            return snapshot

    async def _renew(self) -> None:
        """Also where this is given up half-way, the next to put renews it again."""
        self._is_doubtful = True
        self.claim = await self._writer.store.renew(self.claim)
        self._is_doubtful = False
