"""The states of one model version's open sessions: brought to the host, handed on, and gone on with."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from service.domain.caller import may_see
from service.errors import EngineFailed
from service.sessions.carrying import carried, taken
from service.sessions.session import Session
from service.sessions.snapshot import Snapshot, check_answer, check_fits
from service.sessions.table import SessionTable

_logger = structlog.get_logger()


class SessionStates(SessionTable):
    """The table, and what its sessions are worth: states are read between two of a session's steps."""

    async def snapshot(self, session: Session) -> Snapshot:
        """Where it stands, between two of its steps.

        Raises SessionGone where it ends before that, EngineFailed where no engine can say it now.
        """
        async with session.lock:
            self.check_open(session)
            await self._slots.bring(session.slots)
            self.check_open(session)
            return self.snapshot_at_rest(session)

    def snapshot_at_rest(self, session: Session) -> Snapshot:
        """The same of a session whose lock the caller holds, or nobody, and whose states are at hand."""
        states = self._slots.gather(session.slots)
        return taken(session, self.origin, states, self._clock.now(), self._unix_now())

    def is_at_hand(self, session: Session) -> bool:
        """Whether its states are on the host."""
        return self._slots.is_at_hand(session.slots)

    async def bring(self, sessions: Sequence[Session]) -> None:
        """Have their states brought to the host, between two of their steps: the engines are about to end.

        One whose states no engine can make again is lost, and ends.
        """
        slots = [slot for session in sessions if session.is_open for slot in session.slots]
        try:
            await self._slots.bring(slots)
        except EngineFailed as failure:
            reason = failure.message
        else:
            return
        lost = [session for session in sessions if session.is_open and not self.is_at_hand(session)]
        _logger.error("sessions are lost", count=len(lost), reason=reason)
        for session in lost:
            self.end(session, "lost")

    async def bring_all(self) -> None:
        """The same of all, after the steps that are under way."""
        for session in list(self):
            await session.lock.acquire()
            session.lock.release()
        await self.bring(list(self))

    def restore(
        self, snapshot: Snapshot, identity: str, source: str, *, is_replacing: bool = False
    ) -> Session:
        """Go on under this id where the snapshot stands; `source` is where it came from, for the metrics.

        Raises SnapshotMismatch, InvalidSnapshot, SnapshotExpired, TooManySessions, and SessionExists where
        the id is in use and not to be replaced, or not by this caller. Whatever is raised, all is as it was.
        """
        self.check(snapshot)
        replaced = self._open.get(identity)
        if replaced is None or not (is_replacing and may_see(replaced.owner)):
            self._check_free(identity)
        session = carried(snapshot, identity, self.limits, self._clock.now(), self._unix_now())
        self._check_room(snapshot.rows, session.answer_bytes, replaced)
        if replaced is not None and replaced.is_open:
            self.end(replaced, "replaced")
        self._add(session)
        self._slots.commit(session.slots, range(session.rows), list(snapshot.states.values()))
        self._metrics.restored(source, len(self._open), self.state_bytes)
        return session

    def check(self, snapshot: Snapshot) -> None:
        """Raises SnapshotMismatch or InvalidSnapshot where this model cannot go on with it."""
        check_fits(snapshot, self.origin.fingerprint, self.origin.signature.states)
        check_answer(snapshot, self.origin.signature)
