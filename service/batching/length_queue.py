"""Tickets in waiting: first come first served, but in company of similar length."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable

from service.batching.cost_model import CostModel
from service.batching.partition import BatchLimits, cheapest_part, seconds_for
from service.batching.ticket import Ticket
from service.errors import ClientGone

# A caller is asked whether it is still there only after this wait: asking costs as much as a short row.
_PATIENCE_S = 0.1
# Looking through a full queue of 2,048 for those who left took 1.4 ms where it was measured.
_SWEEP_EVERY_S = 0.1


class LengthQueue:
    """Waiting tickets by arrival and by length class.

    A length class spans at most an eighth of its length, so that what padding it allows inside
    is small, and the partition below looks at tens of classes, not thousands of tickets.
    """

    def __init__(self, cost: Callable[[], CostModel], limits: Callable[[], BatchLimits]) -> None:
        self._cost = cost
        self._limits = limits
        self._arrivals: deque[tuple[int, Ticket]] = deque()
        self._classes: dict[int, deque[tuple[int, Ticket]]] = {}
        self._taken: set[int] = set()
        self._next_number = 0
        self._next_sweep_s = 0.0
        self.waiting_rows = 0
        self.waiting_bytes = 0

    def add(self, ticket: Ticket) -> None:
        entry = (self._next_number, ticket)
        self._next_number += 1
        self._arrivals.append(entry)
        self._classes.setdefault(length_class(ticket.steps), deque()).append(entry)
        self.waiting_rows += 1
        self.waiting_bytes += ticket.sequence.nbytes

    def waiting(self) -> list[Ticket]:
        """Who waits, by arrival."""
        return [ticket for number, ticket in self._arrivals if number not in self._taken]

    def take(self, now_s: float) -> list[Ticket]:
        """The next batch: the oldest ticket and the company that the cost model lets join; may be empty."""
        while (anchor := self._oldest()) is not None:
            low, high = self._company(length_class(anchor.steps))
            rows = self._limits().rows_at(high)
            tickets = self._pop(low, high, rows, now_s)
            if tickets:
                return tickets
        return []

    def drop_settled(self, now_s: float) -> None:
        """Give back the room of tickets that nobody waits for any more; at most every `_SWEEP_EVERY_S`."""
        if now_s < self._next_sweep_s:
            return
        self._next_sweep_s = now_s + _SWEEP_EVERY_S
        waiting = self.waiting()
        for collection in (self._arrivals, self._classes, self._taken):
            collection.clear()
        self.waiting_rows = self.waiting_bytes = 0
        for ticket in waiting:
            if not ticket.is_settled:
                self.add(ticket)

    def queued_seconds(self) -> float:
        """Predicted time to run all that waits, on the engine in use."""
        cost, limits = self._cost(), self._limits()
        return sum(
            seconds_for(len(entries), length, cost, limits) for length, entries in self._classes.items()
        )

    def _oldest(self) -> Ticket | None:
        while self._arrivals:
            number, ticket = self._arrivals[0]
            if number not in self._taken:
                return ticket
            self._taken.discard(number)
            self._arrivals.popleft()
        return None

    def _company(self, anchor: int) -> tuple[int, int]:
        """The part that holds the anchor when the waiting lengths are cut into the cheapest batches."""
        lengths = sorted(self._classes)
        if len(lengths) == 1:
            return anchor, anchor
        counts = [len(self._classes[length]) for length in lengths]
        return cheapest_part(lengths, counts, anchor, self._cost(), self._limits())

    def _pop(self, low: int, high: int, max_rows: int, now_s: float) -> list[Ticket]:
        """Take up to `max_rows` living tickets between two length classes, oldest first."""
        classes = {length: queue for length, queue in self._classes.items() if low <= length <= high}
        heads = [(queue[0][0], length) for length, queue in classes.items()]
        heapq.heapify(heads)
        tickets: list[Ticket] = []
        while heads and len(tickets) < max_rows:
            number, length = heads[0]
            queue = classes[length]
            _, ticket = queue.popleft()
            if queue:
                heapq.heapreplace(heads, (queue[0][0], length))
            else:
                heapq.heappop(heads)
                del self._classes[length]
            self._taken.add(number)
            self.waiting_rows -= 1
            self.waiting_bytes -= ticket.sequence.nbytes
            if _still_wanted(ticket, now_s):
                tickets.append(ticket)
        return tickets


def length_class(steps: int) -> int:
    """The longest length of the class that `steps` falls in: exact up to 16, then eighths of an octave."""
    if steps <= 16:
        return steps
    width = 1 << (steps.bit_length() - 4)
    return -(-steps // width) * width


def _still_wanted(ticket: Ticket, now_s: float) -> bool:
    if ticket.is_settled:
        return False
    if ticket.is_abandoned and now_s - ticket.arrived_s > _PATIENCE_S and ticket.is_abandoned():
        ticket.fail(ClientGone())
        return False
    return True
