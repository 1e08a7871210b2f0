"""Who is let into a queue: the same rules for every scheduler."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from service.batching.before import Before
from service.batching.cost_model import CostModel
from service.batching.pace import Pace
from service.batching.partition import BatchLimits
from service.batching.scheduler import Least
from service.batching.ticket import ORDINARY, Ticket
from service.batching.waiting_work import WaitingWork, seconds_of
from service.errors import CarouselError, DeadlineExceeded, DeadlineUnreachable, Overloaded

# Looking through a full queue of 2,048 for those who left took 1.4 ms where it was measured.
_SWEEP_EVERY_S = 0.1


class WaitingQueue(Protocol):
    """What the rules know of a queue, whatever its order."""

    work: WaitingWork

    def add(self, ticket: Ticket) -> None: ...

    def less_urgent(self, level: int) -> Iterator[Ticket]:
        """Who waits with less urgency than `level`, the last in line first."""
        ...

    def remove(self, leaving: list[Ticket]) -> None: ...

    def drop_settled(self) -> None:
        """Give back the room of tickets that nobody waits for any more."""
        ...


@dataclass(frozen=True, slots=True)
class QueueBounds:
    """How much may wait for one model before the next caller is refused."""

    max_rows: int
    max_bytes: int


class QueueRules:
    """Lets a request's tickets in together or not at all.

    What waits is weighed on the engine in use: a queue that a GPU empties in time is too long for the CPU
    that stands in for it.
    """

    def __init__(
        self,
        bounds: QueueBounds,
        queue: WaitingQueue,
        cost: Callable[[], CostModel],
        limits: Callable[[], BatchLimits],
    ) -> None:
        self._bounds = bounds
        self._queue = queue
        self._cost = cost
        self._limits = limits
        self._pace = Pace()
        self._next_sweep_s = 0.0

    def let_in(self, tickets: list[Ticket], now_s: float, before: Before) -> None:
        """Queue the tickets of one request.

        Raises DeadlineUnreachable or Overloaded, each with the time after which it is worth coming back, and
        DeadlineExceeded where it is too late already.
        """
        if self._queue.work.rows or before.running_s:
            self._admit(tickets, now_s, before)
        for ticket in tickets:
            self._queue.add(ticket)

    @property
    def is_full(self) -> bool:
        """Whether an ordinary request would find no place; somebody who has left may still hold one."""
        work = self._queue.work
        return work.rows >= self._bounds.max_rows and not work.has_less_urgent(ORDINARY)

    def check_room(self, least: Least, now_s: float, before: Before, timeout_s: float) -> None:
        """Raises Overloaded where an ordinary request with so much time finds no place whatever is in it.

        It asks for `least` or for more.
        """
        self._pace.forget_old(now_s)
        late_s = self._answered_s(least, before) - timeout_s
        if (self.is_full or late_s > 0) and self._has_swept(now_s):
            late_s = self._answered_s(least, before) - timeout_s
        if self.is_full:
            raise self._full(before)
        if late_s > 0 and self._queue.work.rows:
            raise _too_late(timeout_s, late_s)

    def _answered_s(self, least: Least, before: Before) -> float:
        """When an ordinary request would be answered that asks for the least."""
        rows, steps = least
        foretold_s = self._foretold_s(rows, rows * steps, ORDINARY, before)
        return max(foretold_s * self._pace.cautious_factor, before.least_s)

    def learn(self, last_out: Ticket, ends_s: float) -> None:
        """Learn from the last in line of those whose turn came, and when it is or would have been answered.

        The last, because the first may have overtaken everybody, and waited for more than was before it.
        Also one that has expired: of those who did not, none can have waited too long.
        """
        if last_out.foretold_s:
            self._pace.observe(last_out.foretold_s, ends_s - last_out.arrived_s, ends_s)

    def _admit(self, tickets: list[Ticket], now_s: float, before: Before) -> None:
        """Nobody is refused by an idle engine: how long a sequence takes alone, only running it tells,
        and what passed the body limit must be able to run.
        """
        self._pace.forget_old(now_s)
        rows, level = len(tickets), tickets[0].level
        steps = sum(ticket.steps for ticket in tickets)
        foretold_s = self._foretold_s(rows, steps, level, before)
        late_s = self._lateness_s(tickets, foretold_s, before, now_s)
        if late_s > 0 or not self._has_room(tickets):
            if self._has_swept(now_s):
                foretold_s = self._foretold_s(rows, steps, level, before)
                late_s = self._lateness_s(tickets, foretold_s, before, now_s)
            if late_s > 0 and (self._queue.work.rows or before.running_s):
                raise _too_late(tickets[0].deadline_s - now_s, late_s)
            self._make_room(tickets, before)
        for ticket in tickets:
            ticket.foretold_s = foretold_s

    def _has_swept(self, now_s: float) -> bool:
        """Whether those who left have been looked for; not where that was just done."""
        if now_s < self._next_sweep_s:
            return False
        self._next_sweep_s = now_s + _SWEEP_EVERY_S
        self._queue.drop_settled()
        return True

    def _foretold_s(self, rows: int, steps: int, level: float, before: Before) -> float:
        """When these would be answered, in the order of the queue, without the factor of experience."""
        cost, limits = self._cost(), self._limits()
        own_s = seconds_of(rows, steps, cost, limits)
        waiting_s = self._queue.work.seconds(cost, limits, level, before.steps_of_others)
        return before.running_s + waiting_s + own_s

    def _lateness_s(self, tickets: list[Ticket], foretold_s: float, before: Before, now_s: float) -> float:
        """By how much the answer is expected after the deadline; negative where it is in time."""
        answered_s = max(foretold_s * self._pace.cautious_factor, before.least_s)
        return now_s + answered_s - tickets[0].deadline_s

    def _make_room(self, tickets: list[Ticket], before: Before) -> None:
        if self._has_room(tickets):
            return
        leaving = self._displaced(tickets)
        if leaving is None:
            raise self._full(before)
        self._queue.remove(leaving)
        for ticket in leaving:
            ticket.fail(self._full(before))

    def _displaced(self, tickets: list[Ticket]) -> list[Ticket] | None:
        """Less urgent tickets whose room would do; None where it would not."""
        if not self._queue.work.has_less_urgent(tickets[0].level):
            return None
        leaving = []
        rows = self._queue.work.rows + len(tickets)
        size = self._queue.work.bytes + _bytes(tickets)
        for ticket in self._queue.less_urgent(tickets[0].level):
            leaving.append(ticket)
            rows -= 1
            size -= ticket.size
            if self._are_within(rows, size):
                return leaving
        return None

    def _has_room(self, tickets: list[Ticket]) -> bool:
        work = self._queue.work
        return not work.rows or self._are_within(work.rows + len(tickets), work.bytes + _bytes(tickets))

    def _are_within(self, rows: int, size: int) -> bool:
        return rows <= self._bounds.max_rows and size <= self._bounds.max_bytes

    def _full(self, before: Before) -> Overloaded:
        work = self._queue.work
        wait_s = (before.running_s + work.seconds(self._cost(), self._limits())) * self._pace.factor
        return Overloaded(f"the queue is full: {work.rows} sequences wait", wait_s)


def _too_late(left_s: float, late_s: float) -> CarouselError:
    if left_s <= 0:
        return DeadlineExceeded("timeout: the deadline passed before the sequence was answered")
    return DeadlineUnreachable(
        f"timeout: {left_s:.3g} s are left, the answer is expected in {left_s + late_s:.3g} s", late_s
    )


def _bytes(tickets: list[Ticket]) -> int:
    return sum(ticket.size for ticket in tickets)
