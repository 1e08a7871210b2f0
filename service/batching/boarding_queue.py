"""Who waits to get on the carousel, and in which order."""

from __future__ import annotations

import heapq
from bisect import insort
from collections.abc import Callable, Iterator
from itertools import chain
from operator import attrgetter

from service.batching.cost_model import CostModel
from service.batching.ride import Place, Ride
from service.batching.ticket import Ticket
from service.batching.waiting_work import WaitingWork

# How many times its own length a sequence may be held up by shorter ones that came after it.
_PATIENCE = 10.0


class BoardingQueue:
    """Waiting tickets by level and by when they are due: the first of them in line, the rest in a heap."""

    def __init__(self, cost: Callable[[], CostModel]) -> None:
        self._cost = cost
        self._line: list[Ride] = []
        self._heap: list[tuple[Place, Ride]] = []
        self._next_number = 0
        self.work = WaitingWork()

    def add(self, ticket: Ticket) -> None:
        cost = self._cost()
        alone_s = cost.call_s + ticket.steps * (cost.step_s + cost.row_step_s)
        place = Place(ticket.level, ticket.arrived_s + _PATIENCE * alone_s, self._next_number)
        self._next_number += 1
        ride = Ride(place, ticket)
        self.work.add(ticket)
        if self._line and place < self._line[-1].place:
            insort(self._line, ride, key=_place)
        else:
            heapq.heappush(self._heap, (place, ride))

    def line(self, most: int) -> list[Ride]:
        """The first `most` who wait, in order."""
        self._leave_only([ride for ride in self._line if not ride.ticket.future.done()])
        while len(self._line) > most:
            ride = self._line.pop()
            heapq.heappush(self._heap, (ride.place, ride))
        while self._heap and len(self._line) < most:
            ride = heapq.heappop(self._heap)[1]
            if ride.ticket.is_settled:
                self.work.remove(ride.ticket)
            else:
                self._line.append(ride)
        return self._line

    def take(self, rides: list[Ride]) -> None:
        """Take those out of the line whose turn it is."""
        for ride in rides:
            self.work.remove(ride.ticket)
        taken = set(map(id, rides))
        self._line = [ride for ride in self._line if id(ride) not in taken]

    def waiting(self) -> Iterator[Ticket]:
        """Who waits, in no order."""
        return (ride.ticket for ride in chain(self._line, (ride for _, ride in self._heap)))

    def less_urgent(self, level: int) -> Iterator[Ticket]:
        """Who waits with less urgency than `level`: the last to go first."""
        backwards = chain((ride for _, ride in sorted(self._heap, reverse=True)), reversed(self._line))
        return (ride.ticket for ride in backwards if ride.place.level > level)

    def remove(self, leaving: list[Ticket]) -> None:
        """Take tickets out that will not run."""
        wanted = set(map(id, leaving))
        self._keep(lambda ride: id(ride.ticket) not in wanted)

    def drop_settled(self) -> None:
        """Give back the room of tickets that nobody waits for any more."""
        self._keep(lambda ride: not ride.ticket.is_settled)

    def _keep(self, is_kept: Callable[[Ride], bool]) -> None:
        self._leave_only([ride for ride in self._line if is_kept(ride)])
        leaving = [ride for _, ride in self._heap if not is_kept(ride)]
        if leaving:
            for ride in leaving:
                self.work.remove(ride.ticket)
            self._heap = [entry for entry in self._heap if is_kept(entry[1])]
            heapq.heapify(self._heap)

    def _leave_only(self, staying: list[Ride]) -> None:
        """Have nobody in line but these."""
        if len(staying) == len(self._line):
            return
        stays = set(map(id, staying))
        for ride in self._line:
            if id(ride) not in stays:
                self.work.remove(ride.ticket)
        self._line = staying


_place: Callable[[Ride], Place] = attrgetter("place")
