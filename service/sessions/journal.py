"""What a session that is kept in a store while it runs tells the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from service.sessions.snapshot import Snapshot

if TYPE_CHECKING:
    from service.sessions.session import Session
    from service.sessions.sessions import Sessions


class Journal(Protocol):
    """One session's; the calls come in the order in which things happen to it."""

    is_ahead: bool
    """Whether a step is recorded before it is committed, and so before it is answered."""

    @property
    def is_sure(self) -> bool:
        """Whether no other server can have claimed the session meanwhile."""

    async def confirm(self) -> None:
        """Ask the store; where another server has claimed the session it is no longer open afterwards."""

    async def record(self, snapshot: Snapshot) -> None:
        """The session as it is to be; what this raises keeps the step from being committed."""

    def committed(self) -> None:
        """A step was committed; without waiting for the store."""

    def used(self) -> None:
        """It may be idle for as long again, though no step was committed."""

    def ended(self) -> None:
        """The session is over, and nobody goes on with it."""

    def moved(self, table: Sessions, session: Session) -> None:
        """It goes on as this session, in the table of another version."""

    def set_aside(self, snapshot: Snapshot) -> None:
        """It cannot go on here now, and waits in the store as it is."""

    async def save_for_good(self) -> None:
        """The server ends: have the store keep it as it is."""
