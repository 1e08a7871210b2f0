"""Tickets in waiting: the most urgent first, then first come first served, in company of similar length."""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TypeAlias

from service.batching.cost_model import CostModel
from service.batching.partition import BatchLimits, cheapest_part
from service.batching.ticket import Ticket
from service.batching.waiting_work import WaitingWork
from service.errors import ClientGone

# A caller is asked whether it is still there only after this wait: asking costs as much as a short row.
_PATIENCE_S = 0.1
_Place: TypeAlias = tuple[int, int]
"""Priority and number of arrival: whoever's is smaller goes first."""


class LengthQueue:
    """Waiting tickets by priority and arrival, and by length class.

    A length class spans at most an eighth of its length, so that what padding it allows inside
    is small, and the partition below looks at tens of classes, not thousands of tickets.
    """

    def __init__(self, cost: Callable[[], CostModel], limits: Callable[[], BatchLimits]) -> None:
        self._cost = cost
        self._limits = limits
        # Every waiting ticket is in both: by priority in order of arrival, and by length as a heap of places.
        self._levels: dict[int, OrderedDict[int, Ticket]] = {}
        self._classes: dict[int, list[_Place]] = {}
        self._next_number = 0
        self.work = WaitingWork()
        # Whoever was taken last, whether or not it ran.
        self.last_out: Ticket

    def add(self, ticket: Ticket) -> None:
        number = self._next_number
        self._next_number += 1
        level = self._levels.get(ticket.level)
        if level is None:
            level = self._levels[ticket.level] = OrderedDict()
        level[number] = ticket
        heapq.heappush(self._classes.setdefault(length_class(ticket.steps), []), (ticket.level, number))
        self.work.add(ticket)

    def waiting(self) -> Iterator[Ticket]:
        """Who waits, the most urgent first."""
        for level in sorted(self._levels):
            yield from self._levels[level].values()

    def take(self, now_s: float) -> list[Ticket]:
        """The next batch: the first in line and the company that the cost model lets join; may be empty."""
        while self._levels:
            anchor = next(iter(self._levels[min(self._levels)].values()))
            low, high = self._company(length_class(anchor.steps))
            tickets = self._pop(low, high, self._limits().rows_at(high), now_s)
            if tickets:
                return tickets
        return []

    def drop_settled(self) -> None:
        """Give back the room of tickets that nobody waits for any more."""
        waiting = list(self.waiting())
        self._levels.clear()
        self._classes.clear()
        self.work.clear()
        for ticket in waiting:
            if not ticket.is_settled:
                self.add(ticket)

    def less_urgent(self, level: int) -> Iterator[Ticket]:
        """Who waits with less urgency than `level`: the least urgent first, of those the latest comer."""
        for lower in sorted((lower for lower in self._levels if lower > level), reverse=True):
            yield from reversed(self._levels[lower].values())

    def remove(self, leaving: list[Ticket]) -> None:
        """Take tickets out that will not run."""
        wanted = set(map(id, leaving))
        for priority in {ticket.level for ticket in leaving}:
            level = self._levels[priority]
            for number in [number for number, ticket in level.items() if id(ticket) in wanted]:
                ticket = self._out((priority, number))
                places = self._classes[length_class(ticket.steps)]
                places.remove((priority, number))
                heapq.heapify(places)
                if not places:
                    del self._classes[length_class(ticket.steps)]

    def _out(self, place: _Place) -> Ticket:
        priority, number = place
        level = self._levels[priority]
        ticket = level.pop(number)
        if not level:
            del self._levels[priority]
        self.work.remove(ticket)
        return ticket

    def _company(self, anchor: int) -> tuple[int, int]:
        """The part that holds the anchor when the waiting lengths are cut into the cheapest batches."""
        lengths = sorted(self._classes)
        if len(lengths) == 1:
            return anchor, anchor
        counts = [len(self._classes[length]) for length in lengths]
        return cheapest_part(lengths, counts, anchor, self._cost(), self._limits())

    def _pop(self, low: int, high: int, max_rows: int, now_s: float) -> list[Ticket]:
        """Take up to `max_rows` living tickets between two length classes, the first in line first.

        Who will be too late anyway runs only where there is a place left: a place is a waste on it, but
        that it will be late is only foretold.
        """
        tickets: list[Ticket] = []
        late: list[Ticket] = []
        waiting = sum(len(places) for length, places in self._classes.items() if low <= length <= high)
        ends_s = now_s + self._cost().cautious_seconds(min(waiting, max_rows), high)
        for ticket in self._in_line(low, high):
            if still_wanted(ticket, now_s):
                (late if ticket.deadline_s < ends_s else tickets).append(ticket)
            if len(tickets) == max_rows:
                break
        places = max_rows - len(tickets)
        for ticket in late[places:]:
            ticket.expire()
        return tickets + late[:places]

    def _in_line(self, low: int, high: int) -> Iterator[Ticket]:
        """Take tickets between two length classes out, the first in line first, while it is asked."""
        classes = {length: places for length, places in self._classes.items() if low <= length <= high}
        heads = [(places[0], length) for length, places in classes.items()]
        heapq.heapify(heads)
        while heads:
            place, length = heads[0]
            places = classes[length]
            heapq.heappop(places)
            if places:
                heapq.heapreplace(heads, (places[0], length))
            else:
                heapq.heappop(heads)
                del self._classes[length]
            self.last_out = self._out(place)
            yield self.last_out


# Asked for every sequence in line at every tick.
@lru_cache(maxsize=4096)
def length_class(steps: int) -> int:
    """The longest length of the class that `steps` falls in: exact up to 16, then eighths of an octave."""
    if steps <= 16:
        return steps
    width = 1 << (steps.bit_length() - 4)
    return -(-steps // width) * width


def still_wanted(ticket: Ticket, now_s: float) -> bool:
    """Whether anybody still waits for the answer; a caller that left without a word fails its ticket."""
    if ticket.is_settled:
        return False
    if ticket.is_abandoned and now_s - ticket.arrived_s > _PATIENCE_S and ticket.is_abandoned():
        ticket.fail(ClientGone())
        return False
    return True
