"""Sessions of a version that leaves go on in the one that takes its place."""

from __future__ import annotations

import asyncio

import structlog

from service.errors import CarouselError
from service.sessions.ended import LOST, MODEL_CHANGED, MOVED
from service.sessions.session import Session
from service.sessions.sessions import Sessions

_logger = structlog.get_logger()


def hand_over(old: Sessions, new: Sessions | None) -> None:
    """End every session of `old`; those that `new` can go on with are there, at once or after their step.

    Without a `new` they end as unloaded.
    """
    old.leave(new)
    for session in list(old):
        is_to_wait_for = session.lock.locked() or not old.is_at_hand(session)
        if new is not None and is_to_wait_for and _is_fit(old, new):
            new.expect(session.id, asyncio.create_task(_move_after_its_step(old, session)))
        else:
            _carry_over(old, new, session)


async def _move_after_its_step(old: Sessions, session: Session) -> None:
    """To the version that serves by then."""
    async with session.lock:
        await old.bring([session])
        if session.is_open:
            _carry_over(old, _last(old), session)


def _last(table: Sessions) -> Sessions | None:
    last: Sessions | None = table
    while last is not None and last.has_left:
        last = last.successor
    return last


def _is_fit(old: Sessions, new: Sessions) -> bool:
    return old.origin.fingerprint == new.origin.fingerprint


def _carry_over(old: Sessions, new: Sessions | None, session: Session) -> None:
    if new is None:
        old.end(session, "unloaded")
    elif not _is_fit(old, new):
        new.ended.add(session.id, MODEL_CHANGED, session.owner)
        old.end(session, MODEL_CHANGED)
    else:
        _move_at_rest(old, new, session)


def _move_at_rest(old: Sessions, new: Sessions, session: Session) -> None:
    snapshot = old.snapshot_at_rest(session)
    hold, session.hold = session.hold, None
    old.end(session, MOVED)
    try:
        moved = new.restore(snapshot, session.id, "version")
    except CarouselError as failure:
        if session.journal is not None:
            session.journal.set_aside(snapshot)
        if hold is not None:
            hold.lose(LOST)
        # Two versions with sessions of one name, or one that has just expired.
        _logger.warning("session not carried over", model=new.origin.model, reason=failure.message)
    else:
        if session.journal is not None:
            session.journal.moved(new, moved)
        if hold is not None:
            hold.move(new, moved)
