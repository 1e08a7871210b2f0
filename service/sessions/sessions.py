"""The open streams of one model version: who is there, in which order its steps run, and when it ends."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from service.batching.slot import Slot
from service.batching.state_slots import StateSlots
from service.batching.ticket import RowResult
from service.domain.clock import Clock
from service.errors import NotFound, OutOfOrder, SessionExists, SessionGone, TooManySessions
from service.sessions.session import Session
from service.telemetry.metrics import SessionMetrics

Run: TypeAlias = Callable[[list[Slot]], Awaitable[list[RowResult]]]
"""Runs a step's sequences, one a row, each from the state in its slot."""

LONGEST_ID = 128
# How many ids of ended sessions are remembered, so that their clients learn why.
_REMEMBERED = 4096
_SWEEP_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How many sessions and bytes of state there may be, and how long one lasts unless it says less."""

    max_sessions: int
    max_bytes: int
    idle_s: float
    ttl_s: float


class Sessions:
    """Lives on the event loop. State is committed only when all rows of a step succeeded."""

    def __init__(
        self, slots: StateSlots, limits: SessionLimits, clock: Clock, metrics: SessionMetrics
    ) -> None:
        self._slots = slots
        self.limits = limits
        self._clock = clock
        self._metrics = metrics
        self._open: dict[str, Session] = {}
        self._ended: dict[str, str] = {}
        self._rows = 0
        self._is_sweeping = False

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Session]:
        return iter(self._open.values())

    @property
    def state_bytes(self) -> int:
        return int(self._rows * self._slots.slot_bytes)

    def open(
        self,
        identity: str | None = None,
        rows: int = 1,
        idle_s: float | None = None,
        ttl_s: float | None = None,
    ) -> Session:
        """A fresh stream under the client's id, or one of our making.

        Raises SessionExists where that id is in use, TooManySessions where there is no room.
        """
        if identity is not None and identity in self._open:
            raise SessionExists(
                f"session: {shown(identity)} is open already, close it first or take another id"
            )
        self._check_room(rows)
        limits, now_s = self.limits, self._clock.now()
        session = Session(
            secrets.token_urlsafe(18) if identity is None else identity,
            rows,
            now_s,
            min(limits.idle_s, idle_s or limits.idle_s),
            min(limits.ttl_s, ttl_s or limits.ttl_s),
        )
        session.slots = [self._slots.take() for _ in range(rows)]
        self._slots.reset(session.slots)
        self._open[session.id] = session
        self._ended.pop(session.id, None)
        self._rows += rows
        self._metrics.opened(len(self._open), self.state_bytes)
        self._sweep_later()
        return session

    def find(self, identity: str) -> Session:
        """Raises SessionGone where it has ended lately, NotFound where nothing is known of it."""
        session = self._open.get(identity)
        if session is not None and session.expires_s() <= self._clock.now():
            self._end(session, self._expiry(session))
            session = None
        if session is not None:
            return session
        if reason := self._ended.get(identity):
            raise SessionGone(f"session: {shown(identity)} has ended: {reason}; open a new one")
        raise NotFound(f"session: there is no {shown(identity)} here")

    async def step(self, session: Session, number: int | None, run: Run) -> tuple[int, list[RowResult]]:
        """The number of the session's next step and its answers, or once more those of its last.

        `number` counts the session's steps from 1; None takes the next. A step that fails or is given up
        leaves the session where it was. Raises OutOfOrder with the number that is due.
        """
        async with session.lock:
            self._check_open(session)
            if number is not None and number == session.step and session.answer is not None:
                session.used_s = self._clock.now()
                return session.step, session.answer
            if number is not None and number != session.step + 1:
                raise OutOfOrder(f"step: got {number}, due is {session.step + 1}")
            answers = await run(session.slots)
            self._check_open(session)
            self._commit(session, answers)
            return session.step, answers

    def expires_in_s(self, session: Session) -> float:
        """Time until it ends unless it is used before."""
        return max(0.0, session.expires_s() - self._clock.now())

    def close(self, identity: str, reason: str = "closed") -> None:
        """End a session; raises as `find` does."""
        self._end(self.find(identity), reason)

    def close_all(self, reason: str) -> None:
        for session in list(self._open.values()):
            self._end(session, reason)

    def _commit(self, session: Session, answers: list[RowResult]) -> None:
        for slot, answer in zip(session.slots, answers, strict=True):
            self._slots.write(slot, answer.states)
        session.step += 1
        session.answer = answers
        session.used_s = self._clock.now()

    def _check_open(self, session: Session) -> None:
        if not session.is_open:
            raise SessionGone(
                f"session: {shown(session.id)} has ended: {self._ended.get(session.id, 'closed')}"
            )

    def _check_room(self, rows: int) -> None:
        limits = self.limits
        size = (self._rows + rows) * self._slots.slot_bytes
        if len(self._open) < limits.max_sessions and size <= limits.max_bytes:
            return
        self.sweep()
        size = (self._rows + rows) * self._slots.slot_bytes
        if len(self._open) >= limits.max_sessions or size > limits.max_bytes:
            raise TooManySessions(
                f"session: no room: {len(self._open)} are open with {self.state_bytes} bytes of state",
                self._first_expiry_s(),
            )

    def _first_expiry_s(self) -> float:
        now_s = self._clock.now()
        return max(0.0, min((session.expires_s() for session in self), default=now_s) - now_s)

    def sweep(self) -> None:
        """End what has expired."""
        now_s = self._clock.now()
        for session in list(self._open.values()):
            if session.expires_s() <= now_s and not session.lock.locked():
                self._end(session, self._expiry(session))

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

    def _expiry(self, session: Session) -> str:
        return "ttl" if session.deadline_s <= self._clock.now() else "idle"

    def _end(self, session: Session, reason: str) -> None:
        del self._open[session.id]
        session.is_open = False
        for slot in session.slots:
            self._slots.release(slot)
        self._rows -= session.rows
        self._ended[session.id] = reason
        while len(self._ended) > _REMEMBERED:
            del self._ended[next(iter(self._ended))]
        self._metrics.closed(reason, len(self._open), self.state_bytes)


def shown(identity: str) -> str:
    """An id as it may stand in a message."""
    return repr(identity[:LONGEST_ID])
