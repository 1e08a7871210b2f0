"""Room for one model version's sessions: how many there may be, with how much state and how long answers."""

from __future__ import annotations

from service.sessions.session import Session, SessionLimits
from service.telemetry.metrics import SessionMetrics


class SessionRoom:
    """Counts who is there; says whether more would fit."""

    def __init__(self, limits: SessionLimits, slot_bytes: int, metrics: SessionMetrics) -> None:
        self.limits = limits
        self._slot_bytes = slot_bytes
        self._metrics = metrics
        self._sessions = self._rows = 0
        self.answer_bytes = 0

    @property
    def state_bytes(self) -> int:
        return self._rows * self._slot_bytes

    def __str__(self) -> str:
        state, answers = self.state_bytes, self.answer_bytes
        return f"{self._sessions} are open with {state} bytes of state and {answers} of last answers"

    def add(self, session: Session) -> None:
        self._sessions += 1
        self._rows += session.rows
        self.note_answers(session.answer_bytes)

    def remove(self, session: Session) -> None:
        self._sessions -= 1
        self._rows -= session.rows
        self.note_answers(-session.answer_bytes)

    def note_answers(self, more_bytes: int) -> None:
        """The last answers have become so much longer together."""
        if more_bytes:
            self.answer_bytes += more_bytes
            self._metrics.kept(self.answer_bytes)

    def has_for(self, rows: int, answer_bytes: int, replaced: Session | None) -> bool:
        """Whether there is room for one of so many rows with such an answer, in the place of `replaced`."""
        sessions = self._sessions + 1
        if replaced is not None and replaced.is_open:
            sessions -= 1
            rows -= replaced.rows
            answer_bytes -= replaced.answer_bytes
        size = rows * self._slot_bytes + answer_bytes
        return sessions <= self.limits.max_sessions and self._are_within(size)

    def has_for_answer(self, session: Session, size: int) -> bool:
        """Whether the session's next answer may have so many bytes."""
        return self._are_within(size - session.answer_bytes)

    def longest_answer(self, session: Session) -> int:
        """In bytes, if there were no other session."""
        return self.limits.max_bytes - session.rows * self._slot_bytes

    def _are_within(self, more_bytes: int) -> bool:
        return self.state_bytes + self.answer_bytes + more_bytes <= self.limits.max_bytes
