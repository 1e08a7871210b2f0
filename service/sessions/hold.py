"""One client's sole right to a session's steps, wherever the session moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.sessions.session import Session
    from service.sessions.sessions import Sessions

TAKEN_OVER = "taken_over"


class Hold:
    """From `take` until it is let go, or lost: while it lasts no step but its own runs.

    `on_lost` is told why, once, in the middle of whatever ended the session or took it over: it must not
    raise, nor touch the session.
    """

    def __init__(self, sessions: Sessions, session: Session, on_lost: Callable[[str], None]) -> None:
        self.sessions = sessions
        self.session = session
        self._on_lost = on_lost

    @property
    def is_held(self) -> bool:
        return self.session.hold is self

    async def take(self) -> None:
        """Once the step that is running has ended; whoever held the session before loses it at once.

        Raises SessionGone where it ends meanwhile.
        """
        self._displace()
        async with self.session.lock:
            self.sessions.check_open(self.session)
            self._displace()
            self.session.hold = self
            self._note_use()

    def let_go(self) -> None:
        """The session stays, for as long as it may be idle."""
        if self.is_held:
            self.session.hold = None
            self._note_use()

    def end(self, reason: str) -> None:
        """The session ends, and nobody is told that it is lost."""
        if self.is_held:
            self.session.hold = None
            self.sessions.end(self.session, reason)

    def move(self, sessions: Sessions, session: Session) -> None:
        """The session goes on as another in the table of the next version."""
        self.sessions, self.session = sessions, session
        session.hold = self

    def lose(self, reason: str) -> None:
        self.session.hold = None
        self._on_lost(reason)

    def _note_use(self) -> None:
        """Where a store has it, there too: it must not forget it earlier."""
        self.sessions.note_use(self.session)
        if self.session.journal is not None:
            self.session.journal.used()

    def _displace(self) -> None:
        before = self.session.hold
        if before is not None:
            before.lose(TAKEN_OVER)
