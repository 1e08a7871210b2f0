"""The open streams of one model version: how they begin, in which order their steps run, what is kept."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from service.batching.slot import Slot
from service.batching.ticket import RowResult
from service.domain.caller import owner
from service.errors import OutOfOrder, SessionHeld
from service.sessions.carrying import taken
from service.sessions.journal import Journal
from service.sessions.session import Session, check_path_can_name, shown
from service.sessions.snapshot import Snapshot
from service.sessions.states import SessionStates

Run: TypeAlias = Callable[[list[Slot]], Awaitable[list[RowResult]]]
"""Runs a step's sequences, one a row, each from the state in its slot."""
Begin: TypeAlias = Callable[[Session], Awaitable[None]]
"""What is to be done of a session before its first step."""


class Sessions(SessionStates):
    """State is committed only when all rows of a step succeeded."""

    def open(
        self,
        identity: str | None = None,
        rows: int = 1,
        idle_s: float | None = None,
        ttl_s: float | None = None,
    ) -> Session:
        """A fresh stream under the client's id, or one of our making.

        Raises InvalidRequest for an id that no path can have, SessionExists where it is in use,
        TooManySessions where there is no room.
        """
        if identity is not None:
            check_path_can_name(identity)
            self._check_free(identity)
        self._check_room(rows)
        limits, now_s = self.limits, self._clock.now()
        session = Session(
            secrets.token_urlsafe(18) if identity is None else identity,
            rows,
            now_s,
            min(limits.idle_s, idle_s or limits.idle_s),
            min(limits.ttl_s, ttl_s or limits.ttl_s),
        )
        session.owner = owner()
        self._add(session)
        self._slots.reset(session.slots)
        self._metrics.opened(len(self._open), self.state_bytes)
        return session

    async def step(
        self,
        session: Session,
        number: int | None,
        run: Run,
        steps: int,
        hold: object = None,
        begin: Begin | None = None,
    ) -> tuple[int, list[RowResult]]:
        """The number of the session's next step and its answers, or once more those of its last.

        `number` counts the session's steps from 1; None takes the next. Its sequences have so many time
        `steps` together. A step that fails or is given up
        leaves the session where it was. One that has to `begin` first goes before all that is sent meanwhile.
        Raises OutOfOrder with the number that is due, SessionHeld where another than `hold` has the session,
        SessionAway where another server goes on with it, TooManySessions and BodyTooLarge where its answer
        cannot be kept, and what its journal and `begin` do.
        """
        async with session.lock:
            if begin is not None:
                await begin(session)
            self.check_open(session)
            _check_hold(session, hold)
            if session.journal is not None and not _is_plain(session, session.journal, number):
                await session.journal.confirm()
                self.check_open(session)
                _check_hold(session, hold)
            if number is not None and number == session.step and session.answer is not None:
                self.note_use(session)
                return session.step, session.answer
            if number is not None and number != session.step + 1:
                raise OutOfOrder(f"step: got {number}, due is {session.step + 1}")
            self._check_answer_room(session, steps)
            if session.step:
                self._metrics.idle_seconds.observe(self._clock.now() - session.used_s)
            steps_before = session.steps_run
            answers = await run(session.slots)
            try:
                self.check_open(session)
                if session.journal is not None and session.journal.is_ahead:
                    await self._record(session, session.journal, answers, steps_before)
                kept = self._commit(session, answers)
            finally:
                # Whoever keeps a failure keeps this frame, and with it would keep rows on a device.
                del answers
            if session.journal is not None:
                session.journal.committed()
            return session.step, kept

    async def branch(self, session: Session) -> Session:
        """Another that goes on from where this one stands, between two of its steps.

        Raises SessionGone where it ends before that, TooManySessions where there is no room.
        """
        async with session.lock:
            self.check_open(session)
            await self._slots.bring(session.slots)
            self.check_open(session)
            branch = self.open(rows=session.rows)
            states = self._slots.gather(session.slots)
            self._slots.commit(branch.slots, range(branch.rows), states)
            if session.answer is not None:
                self._room.note_answers(branch.keep(session.answer))
            return branch

    async def _record(
        self, session: Session, journal: Journal, answers: list[RowResult], steps_before: int
    ) -> None:
        try:
            await journal.record(self._ahead(session, answers))
            self.check_open(session)
        except BaseException:
            session.steps_run = steps_before
            raise

    def _ahead(self, session: Session, answers: list[RowResult]) -> Snapshot:
        """Where the session will stand once these answers are committed."""
        states = tuple(np.stack(rows) for rows in zip(*(answer.states for answer in answers), strict=True))
        now_s = self._clock.now()
        snapshot = taken(session, self.origin, states, now_s, self._unix_now())
        used_s = max(0.0, self._unix_now())
        outputs = tuple(answer.output for answer in answers)
        return replace(snapshot, step_number=session.step + 1, used_s=used_s, answer=outputs)

    def _commit(self, session: Session, answers: list[RowResult]) -> list[RowResult]:
        for slot, answer in zip(session.slots, answers, strict=True):
            if answer.resident is None:
                self._slots.write(slot, answer.states)
            else:
                self._slots.keep(slot, answer.resident)
        # Until the next step, which may be long.
        kept = [answer.to_keep() for answer in answers]
        session.step += 1
        self._room.note_answers(session.keep(kept))
        self.note_use(session)
        return kept


def _is_plain(session: Session, journal: Journal, number: int | None) -> bool:
    """Whether the step follows on what is here, and that is the latest, or the store will tell."""
    return (number is None or number - session.step in {0, 1}) and (journal.is_ahead or journal.is_sure)


def _check_hold(session: Session, hold: object) -> None:
    if session.hold is not hold:
        raise SessionHeld(f"session: {shown(session.id)} belongs to a stream: send its steps there")
