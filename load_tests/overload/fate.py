"""What became of one request of an open loop."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import orjson

from load_tests.http_connection import HttpAnswer


class Kind(Enum):
    """`RETRY`: a refused request that came back once, when it was told to."""

    URGENT = "priority 1"
    OTHER = "others"
    RETRY = "retries"


class Outcome(Enum):
    """What a client was told; `LOST` is nothing at all."""

    ANSWERED = "answered"
    QUEUE_FULL = "429 queue_full"
    UNREACHABLE = "429 deadline_unreachable"
    EXPIRED = "504"
    UNFORESEEN = "another status"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Fate:
    """`due_s` is when the request should have been sent, `sent_s` when it was; `stated_s`: Retry-After-Ms."""

    kind: Kind
    outcome: Outcome
    due_s: float
    sent_s: float
    ended_s: float
    stated_s: float = 0.0

    @property
    def latency_s(self) -> float:
        """From when it was due: a client that comes late hides no wait."""
        return self.ended_s - self.due_s

    @property
    def is_refused(self) -> bool:
        return self.outcome in {Outcome.QUEUE_FULL, Outcome.UNREACHABLE}


def outcome_of(answer: HttpAnswer) -> Outcome:
    if answer.status == 200:
        return Outcome.ANSWERED
    if answer.status == 504:
        return Outcome.EXPIRED
    if answer.status != 429:
        return Outcome.UNFORESEEN
    # Both refusals have one status; only one of them speaks of the caller's own time.
    error: str = orjson.loads(answer.body)["error"]
    return Outcome.UNREACHABLE if error.startswith("timeout:") else Outcome.QUEUE_FULL


def stated_s(answer: HttpAnswer) -> float:
    return int(answer.headers.get(b"retry-after-ms", b"0")) / 1e3
