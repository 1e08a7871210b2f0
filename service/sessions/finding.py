"""Sessions wherever they are: in a table, in the store, on another server, or on their way from a version."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from service.errors import DeadlineExceeded
from service.sessions.persistence import Persistence
from service.sessions.session import Session
from service.sessions.sessions import Sessions

Look: TypeAlias = Callable[[Persistence | None, Sessions, str | None], Awaitable[None]]


async def resume(persistence: Persistence | None, sessions: Sessions, identity: str | None) -> None:
    """Have a session go on here that an earlier version or server has had, or that another server runs.

    Raises what `Persistence.resume` does.
    """
    if identity is None or identity in sessions:
        return
    # Where servers share a store, what has ended here may have begun anew elsewhere.
    is_shared = persistence is not None and persistence.upkeep is not None
    if identity in sessions.ended and not is_shared:
        return
    await sessions.arrival(identity)
    if persistence is not None:
        await persistence.resume(sessions, identity)


async def look(persistence: Persistence | None, sessions: Sessions, identity: str | None) -> None:
    """Before a session is opened under this id: one that waits in the store is here afterwards.

    One that the store has while it runs stays where it is; for that it raises SessionExists. Raises also
    what `resume` does.
    """
    if persistence is None or persistence.upkeep is None or identity is None:
        await resume(persistence, sessions, identity)
    elif identity not in sessions:
        await sessions.arrival(identity)
        await persistence.check_free(sessions, identity)


async def in_time(doing: Awaitable[None], left_s: float | None) -> None:
    """Either of these for a caller who waits so long, or for ever; raises DeadlineExceeded."""
    try:
        async with asyncio.timeout(None if left_s is None else max(0.0, left_s)):
            await doing
    except TimeoutError:
        raise DeadlineExceeded("timeout: the deadline passed before the session was here") from None


async def found(persistence: Persistence | None, sessions: Sessions, identity: str) -> Session:
    """The session as it is now, also where this server was away; raises as `Sessions.find` does."""
    await resume(persistence, sessions, identity)
    session = sessions.find(identity)
    if session.journal is not None and not session.journal.is_sure:
        await session.journal.confirm()
        await resume(persistence, sessions, identity)
        session = sessions.find(identity)
    return session


async def kept(persistence: Persistence | None, sessions: Sessions, session: Session) -> None:
    """Have a session that was just opened in the store, where it should be; it ends if that fails.

    The caller has its lock, so that no step runs before that. Raises SessionExists where another server
    runs one of its id, StoreUnavailable.
    """
    if persistence is not None:
        try:
            await persistence.keep(sessions, session)
        except BaseException:
            if session.is_open:
                sessions.end(session, "failed")
            raise
