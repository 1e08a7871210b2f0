"""How streams end: close codes, and what is told at last."""

from __future__ import annotations

from typing import NamedTuple

from service.api import stream_messages
from service.api.stream_timers import SILENT, UNREAD
from service.sessions.hold import TAKEN_OVER
from service.sessions.kept_session import CLAIM_LOST, MOVED_AWAY
from service.telemetry.metrics import CLIENT

NORMAL, ABNORMAL, POLICY, INTERNAL = 1000, 1006, 1008, 1011
_RESTART, _CONFLICT, _GONE = 1012, 4409, 4410
# It goes on, with another client or on another server.
_ELSEWHERE = frozenset({TAKEN_OVER, MOVED_AWAY, CLAIM_LOST})


class Parting(NamedTuple):
    """The close frame, and the message before it."""

    code: int
    reason: str
    last: str | bytes


def closed() -> Parting:
    return _told(NORMAL, "closed")


def going_away() -> Parting:
    return _told(_RESTART, "going_away")


def lost_session(reason: str) -> Parting:
    return _told(_CONFLICT if reason in _ELSEWHERE else _GONE, reason)


def left(code: int, reason: str) -> tuple[int, str]:
    """The code and the reason with which a client is counted that left by itself."""
    if reason in {SILENT, UNREAD}:
        return code, reason
    return code, "lost" if code == ABNORMAL else CLIENT


def _told(code: int, reason: str) -> Parting:
    return Parting(code, reason, stream_messages.closed(reason))
