"""The table of one model version's open streams: who is there, whether there is room, and when one ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Self

from service.batching.state_slots import StateSlots
from service.domain.clock import Clock
from service.errors import BodyTooLarge, SessionAway, TooManySessions, Unavailable
from service.sessions.ended import MOVED, Ended
from service.sessions.room import SessionRoom
from service.sessions.session import Session, SessionLimits, check_owner, shown, taken_already, unknown
from service.sessions.snapshot import Origin
from service.telemetry.metrics import SessionMetrics

_SWEEP_EVERY_S = 1.0


class SessionTable:
    """Lives on the event loop; every session in it has its slots, and gives them back when it ends."""

    def __init__(
        self,
        slots: StateSlots,
        limits: SessionLimits,
        clock: Clock,
        metrics: SessionMetrics,
        origin: Origin,
        unix_now: Callable[[], float] = time.time,
    ) -> None:
        self.origin = origin
        self._unix_now = unix_now
        self._slots = slots
        self._clock = clock
        self._metrics = metrics
        self._open: dict[str, Session] = {}
        self.ended = Ended()
        self._expected: dict[str, asyncio.Task[None]] = {}
        self._room = SessionRoom(limits, slots.slot_bytes, metrics)
        self._is_sweeping = False
        # Of a version that no longer serves: nothing more comes here, but to its successor, if it has one.
        self.has_left = False
        self.successor: Self | None = None

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, identity: str) -> bool:
        return identity in self._open

    def __iter__(self) -> Iterator[Session]:
        return iter(self._open.values())

    @property
    def limits(self) -> SessionLimits:
        return self._room.limits

    @property
    def state_bytes(self) -> int:
        return self._room.state_bytes

    @property
    def answer_bytes(self) -> int:
        return self._room.answer_bytes

    def knows(self, identity: str) -> bool:
        """Whether it is open here, or has ended lately."""
        return identity in self._open or identity in self.ended

    def find(self, identity: str) -> Session:
        """Raises SessionGone where it has ended lately, NotFound where it is somebody else's or not known."""
        session = self._open.get(identity)
        if session is None or self._is_over(session):
            raise self.ended.refusal(identity) if identity in self.ended else unknown(identity)
        check_owner(session.owner, identity)
        return session

    def expires_in_s(self, session: Session) -> float:
        """Time until it ends unless it is used before."""
        return max(0.0, session.expires_s() - self._clock.now())

    def lasts_s(self, session: Session) -> float:
        """Time until it ends however much it is used."""
        return max(0.0, session.deadline_s - self._clock.now())

    def close(self, identity: str, reason: str = "closed") -> None:
        """End a session; raises as `find` does."""
        self.end(self.find(identity), reason)

    def discard(self, identity: str) -> None:
        """End a request's own session if it is open here; nobody will ask how it ended."""
        if (session := self._open.get(identity)) is not None:
            self._remove(session, "closed")

    def close_all(self, reason: str) -> None:
        for session in list(self._open.values()):
            self.end(session, reason)

    def end(self, session: Session, reason: str) -> None:
        """End a session that is open."""
        self._remove(session, reason)
        self.ended.add(session.id, reason, session.owner)
        if session.journal is not None and reason != MOVED:
            session.journal.ended()

    def let_go(self, session: Session, reason: str) -> None:
        """Forget a session that is open here and goes on elsewhere; it may come back."""
        session.is_away = True
        self._remove(session, reason)

    def _remove(self, session: Session, reason: str) -> None:
        del self._open[session.id]
        session.is_open = False
        for slot in session.slots:
            self._slots.release(slot)
        self._room.remove(session)
        self._metrics.closed(reason, len(self._open), self.state_bytes)
        if reason != MOVED and not session.is_away:
            self._metrics.lasted(self._clock.now() - session.opened_s, session.steps_run)
        if session.hold is not None:
            session.hold.lose(reason)

    def check_open(self, session: Session) -> None:
        """Raises as `find` does where the session has ended, SessionAway where it goes on elsewhere."""
        if session.is_away:
            raise SessionAway(f"session: {shown(session.id)} goes on elsewhere: send the step again")
        if not session.is_open:
            raise self.ended.refusal(session.id)

    def note_use(self, session: Session) -> None:
        """It may be idle for as long again."""
        session.used_s = self._clock.now()

    def expect(self, identity: str, coming: asyncio.Task[None]) -> None:
        """A session of the version before comes when its step has run."""
        self._expected[identity] = coming
        coming.add_done_callback(lambda _: self._expected.pop(identity, None))

    async def arrival(self, identity: str) -> None:
        """Wait for a session that is expected, if it is."""
        if coming := self._expected.get(identity):
            await asyncio.wait([coming])

    def leave(self, successor: Self | None) -> None:
        """Take nothing more; what is expected here is expected there."""
        self.has_left, self.successor = True, successor
        if successor is not None:
            for identity, coming in self._expected.items():
                successor.expect(identity, coming)

    def sweep(self) -> None:
        """End what has expired."""
        for session in list(self._open.values()):
            self._is_over(session)

    def _is_over(self, session: Session) -> bool:
        """Whether it has expired, and so ends; whose step is running is in use, however long that takes."""
        now_s = self._clock.now()
        if session.expires_s() > now_s or session.lock.locked():
            return False
        self.end(session, "ttl" if session.deadline_s <= now_s else "idle")
        return True

    def _add(self, session: Session) -> None:
        """Give it its slots, with whatever is in them."""
        session.slots = [self._slots.take() for _ in range(session.rows)]
        self._open[session.id] = session
        self.ended.forget(session.id)
        self._room.add(session)
        self._sweep_later()

    def _check_free(self, identity: str) -> None:
        if identity in self._open:
            raise taken_already(identity)

    def _check_room(self, rows: int, answer_bytes: int = 0, replaced: Session | None = None) -> None:
        if self.has_left:
            # Whoever comes has waited for a store, or for a step.
            raise Unavailable("session: another version of its model has just taken over: send it again")
        if self._room.has_for(rows, answer_bytes, replaced):
            return
        self.sweep()
        if not self._room.has_for(rows, answer_bytes, replaced):
            raise self._full()

    def _check_answer_room(self, session: Session, steps: int) -> None:
        """Raises TooManySessions where the answer to so many steps cannot be kept, BodyTooLarge if never."""
        size = self.origin.signature.output_bytes(session.rows, steps)
        if self._room.has_for_answer(session, size):
            return
        if size > (most := self._room.longest_answer(session)):
            raise BodyTooLarge(
                f"sequence: its answer has {size} bytes, and is kept until the next step: "
                f"at most {most} can be: send fewer steps at once"
            )
        self.sweep()
        if not self._room.has_for_answer(session, size):
            raise self._full()

    def _full(self) -> TooManySessions:
        first_s = min(map(self.expires_in_s, self), default=0.0)
        return TooManySessions(f"session: no room: {self._room}", first_s)

    def _sweep_later(self) -> None:
        """As long as there are sessions, look every second."""
        if not self._is_sweeping:
            self._is_sweeping = True
            self._clock.call_at(self._clock.now() + _SWEEP_EVERY_S, self._swept)

    def _swept(self) -> None:
        self._is_sweeping = False
        self.sweep()
        if self._open:
            self._sweep_later()
