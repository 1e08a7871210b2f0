"""Who waits to get on the carousel, and in which order."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from typing import NamedTuple

from service.batching.cost_model import CostModel
from service.batching.length_queue import still_wanted
from service.batching.ticket import Ticket
from service.batching.waiting_work import WaitingWork

# How many times its own length a sequence may be held up by shorter ones that came after it.
_PATIENCE = 10.0


class Place(NamedTuple):
    """Whoever's is smaller goes first.

    Of one level that is who should be done first, if each were given `_PATIENCE` times as long as it
    takes alone: a short sequence goes before a long one that came a little earlier, and nobody is overtaken
    for ever, since whoever comes late enough is due later.
    """

    level: int
    due_s: float
    number: int


class BoardingQueue:
    """Waiting tickets by level and by when they are due."""

    def __init__(self, cost: Callable[[], CostModel]) -> None:
        self._cost = cost
        self._heap: list[tuple[Place, Ticket]] = []
        self._next_number = 0
        self.work = WaitingWork()

    def add(self, ticket: Ticket) -> None:
        cost = self._cost()
        alone_s = cost.call_s + ticket.steps * (cost.step_s + cost.row_step_s)
        place = Place(ticket.level, ticket.arrived_s + _PATIENCE * alone_s, self._next_number)
        self._next_number += 1
        heapq.heappush(self._heap, (place, ticket))
        self.work.add(ticket)

    def first(self) -> Place | None:
        """The place of who goes next."""
        return self._heap[0][0] if self._heap else None

    def pop(self, now_s: float) -> tuple[Place, Ticket] | None:
        """Who goes next and is still wanted."""
        while self._heap:
            place, ticket = heapq.heappop(self._heap)
            self.work.remove(ticket)
            if still_wanted(ticket, now_s):
                return place, ticket
        return None

    def waiting(self) -> Iterator[Ticket]:
        """Who waits, the first to go first."""
        return (ticket for _, ticket in sorted(self._heap))

    def less_urgent(self, level: int) -> Iterator[Ticket]:
        """Who waits with less urgency than `level`: the last to go first."""
        return (ticket for place, ticket in sorted(self._heap, reverse=True) if place.level > level)

    def remove(self, leaving: list[Ticket]) -> None:
        """Take tickets out that will not run."""
        wanted = set(map(id, leaving))
        self._keep(lambda ticket: id(ticket) not in wanted)

    def drop_settled(self) -> None:
        """Give back the room of tickets that nobody waits for any more."""
        self._keep(lambda ticket: not ticket.is_settled)

    def _keep(self, is_kept: Callable[[Ticket], bool]) -> None:
        for _, ticket in self._heap:
            if not is_kept(ticket):
                self.work.remove(ticket)
        self._heap = [entry for entry in self._heap if is_kept(entry[1])]
        heapq.heapify(self._heap)
