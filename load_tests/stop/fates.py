"""What became of the requests of one stop, by door."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum


class Door(Enum):
    HTTP = "HTTP keep-alive"
    GRPC = "gRPC calls"
    STREAM = "gRPC streams"


class Fate(Enum):
    """`REFUSED`: told so by the server. `NOT_SENT`: nobody listened any more. `LOST`: nothing was heard.

    `HIDDEN`: grpc.aio says INTERNAL where it writes to a stream that has ended, whatever the server said.
    """

    ANSWERED = "answered"
    REFUSED = "refused"
    NOT_SENT = "not sent"
    HIDDEN = "hidden"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Fates:
    """Counts of one server's end."""

    counts: Counter[tuple[Door, Fate]] = field(default_factory=Counter)

    def add(self, door: Door, fate: Fate, number: int = 1) -> None:
        self.counts[door, fate] += number

    def of(self, door: Door, fate: Fate) -> int:
        return self.counts[door, fate]

    @property
    def lost(self) -> int:
        return sum(count for (_, fate), count in self.counts.items() if fate is Fate.LOST)
