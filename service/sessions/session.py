"""One open stream."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

from service.batching.slot import FRESH, Slot
from service.batching.ticket import RowResult
from service.domain.caller import may_see
from service.errors import InvalidRequest, NotFound, SessionExists
from service.sessions.hold import Hold
from service.sessions.journal import Journal

LONGEST_ID = 128
# Servers read %2F as a slash, and clients take dots for folders: nobody could come back to these.
NAMED_BY_A_PATH = r"^(?!\.{1,2}$)[^/]+$"


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How many sessions and bytes of state there may be, and how long one lasts unless it says less."""

    max_sessions: int
    max_bytes: int
    idle_s: float
    ttl_s: float


class Session:
    """A stream of one model version: so many rows of state, and how far it has come.

    `step` is the number of the last step that was answered, 0 before the first; `answer` is what it got, and
    keeps `answer_bytes` in memory. `steps_run` counts the time steps of all its rows. `owner` is the name of
    the key it was opened with, None where there were no keys. `resume_digest` is the SHA-256 of the token
    with which its client may come back to it, None where it may not; while it has a `hold`, no other step
    runs. Times are the clock's.
    """

    __slots__ = (
        "answer",
        "answer_bytes",
        "deadline_s",
        "hold",
        "id",
        "idle_s",
        "is_away",
        "is_open",
        "journal",
        "lock",
        "opened_s",
        "owner",
        "resume_digest",
        "slots",
        "step",
        "steps_run",
        "used_s",
    )

    def __init__(self, identity: str, rows: int, now_s: float, idle_s: float, ttl_s: float) -> None:
        self.id = identity
        self.slots: list[Slot] = [FRESH] * rows
        self.step = 0
        self.steps_run = 0
        self.answer: list[RowResult] | None = None
        self.answer_bytes = 0
        self.opened_s = self.used_s = now_s
        self.idle_s = idle_s
        self.deadline_s = now_s + ttl_s
        self.is_open = True
        self.owner: str | None = None
        self.hold: Hold | None = None
        self.resume_digest: str | None = None
        # Not over, but another server's: it can be asked for again.
        self.is_away = False
        # Of a session that is kept in a store while it runs.
        self.journal: Journal | None = None
        # Steps of one session run in the order in which they came.
        self.lock = asyncio.Lock()

    @property
    def rows(self) -> int:
        return len(self.slots)

    def keep(self, answer: list[RowResult]) -> int:
        """The last step's answer from now on; by how many bytes it is larger than the one before."""
        before, self.answer = self.answer_bytes, answer
        self.answer_bytes = sum([row.output.nbytes for row in answer])
        return self.answer_bytes - before

    def expires_s(self) -> float:
        """When it ends unless it is used before."""
        return min(self.deadline_s, self.used_s + self.idle_s)


def shown(identity: str) -> str:
    """An id as it may stand in a message."""
    return repr(identity[:LONGEST_ID])


def check_path_can_name(identity: str, field: str = "session") -> None:
    """Whatever door it is opened at; raises InvalidRequest naming `field`."""
    if not re.fullmatch(NAMED_BY_A_PATH, identity):
        raise InvalidRequest(
            f"{field}: expected a name that a path can have: no '/' in it, and not '.' or '..'"
        )


def unknown(identity: str) -> NotFound:
    """For what is not there, and for what is somebody else's."""
    return NotFound(f"session: there is no {shown(identity)} here")


def check_owner(owner: str | None, identity: str) -> None:
    """Raises NotFound where it is not there for whoever asks."""
    if not may_see(owner):
        raise unknown(identity)


def taken_already(identity: str) -> SessionExists:
    """For whoever would open another."""
    return SessionExists(f"session: {shown(identity)} is open already, close it first or take another id")
