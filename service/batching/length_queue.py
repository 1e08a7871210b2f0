"""Tickets in waiting: first come first served, but in company of similar length."""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass

from service.batching.cost_model import CostModel
from service.batching.ticket import Ticket

# A caller is asked whether it is still there only after this wait: asking costs as much as a short row.
_PATIENCE_S = 0.02


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """The largest batch an engine is given: rows, and rows x padded steps (one row alone may be longer)."""

    max_rows: int
    max_row_steps: int

    def rows_at(self, padded_steps: int) -> int:
        return max(1, min(self.max_rows, self.max_row_steps // padded_steps))


class LengthQueue:
    """Waiting tickets by arrival and by length class.

    A length class spans at most an eighth of its length, so that what padding it allows inside
    is small, and the partition below looks at tens of classes, not thousands of tickets.
    """

    def __init__(self, cost: CostModel, limits: BatchLimits) -> None:
        self._cost = cost
        self._limits = limits
        self._arrivals: deque[tuple[int, Ticket]] = deque()
        self._classes: dict[int, deque[tuple[int, Ticket]]] = {}
        self._taken: set[int] = set()
        self._next_number = 0
        self.waiting_rows = 0
        self.waiting_bytes = 0

    def add(self, ticket: Ticket) -> None:
        entry = (self._next_number, ticket)
        self._next_number += 1
        self._arrivals.append(entry)
        self._classes.setdefault(length_class(ticket.steps), deque()).append(entry)
        self.waiting_rows += 1
        self.waiting_bytes += ticket.sequence.nbytes

    def take(self, now_s: float) -> list[Ticket]:
        """The next batch: the oldest ticket and the company that the cost model lets join; may be empty."""
        while (anchor := self._oldest()) is not None:
            low, high = self._company(length_class(anchor.steps))
            rows = self._limits.rows_at(high)
            tickets = self._pop(low, high, rows, now_s)
            if tickets:
                return tickets
        return []

    def queued_seconds(self) -> float:
        """Predicted time to run all that waits."""
        return sum(self._seconds(length, len(entries)) for length, entries in self._classes.items())

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
        best, cuts = [0.0], [0]
        for end in range(1, len(lengths) + 1):
            rows, cheapest, cut = 0, float("inf"), end - 1
            for start in range(end - 1, -1, -1):
                rows += counts[start]
                total = best[start] + self._seconds(lengths[end - 1], rows)
                if total < cheapest:
                    cheapest, cut = total, start
            best.append(cheapest)
            cuts.append(cut)
        end = len(lengths)
        while lengths[cuts[end]] > anchor:
            end = cuts[end]
        return lengths[cuts[end]], lengths[end - 1]

    def _seconds(self, padded_steps: int, rows: int) -> float:
        full, rest = divmod(rows, self._limits.rows_at(padded_steps))
        seconds = full * self._cost.seconds(self._limits.rows_at(padded_steps), padded_steps) if full else 0.0
        return seconds + (self._cost.seconds(rest, padded_steps) if rest else 0.0)

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
        ticket.abandon()
        return False
    return True
