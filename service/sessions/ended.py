"""The sessions that have ended lately, so that their clients learn why."""

from __future__ import annotations

from service.domain.caller import may_see
from service.errors import CarouselError, SessionGone, SnapshotMismatch, Unavailable
from service.sessions.session import shown, unknown

MOVED = "moved"
# The next version had no place for it.
LOST = "lost"
MODEL_CHANGED = "model_changed"
# How many are remembered.
_MOST = 4096


class Ended:
    """Ids with the reason of their end and whose they were, the oldest forgotten first."""

    def __init__(self) -> None:
        self._reasons: dict[str, tuple[str, str | None]] = {}

    def __contains__(self, identity: str) -> bool:
        return identity in self._reasons

    def add(self, identity: str, reason: str, owner: str | None) -> None:
        self._reasons[identity] = reason, owner
        while len(self._reasons) > _MOST:
            del self._reasons[next(iter(self._reasons))]

    def forget(self, identity: str) -> None:
        self._reasons.pop(identity, None)

    def refusal(self, identity: str) -> CarouselError:
        """What its client is told."""
        reason, owner = self._reasons.get(identity, ("closed", None))
        name = shown(identity)
        if not may_see(owner):
            return unknown(identity)
        if reason == MOVED:
            return Unavailable(
                f"session: {name} is moving to another version of its model: send the step again"
            )
        if reason == MODEL_CHANGED:
            return SnapshotMismatch(
                f"session: {name} has ended: {reason}: its state is of other weights; open a new one"
            )
        return SessionGone(f"session: {name} has ended: {reason}; open a new one")
