"""Those who wait for the carousel in one line: the first of them in order, the rest in a heap."""

from __future__ import annotations

import heapq
from bisect import insort
from collections.abc import Callable, Iterator
from operator import attrgetter

from service.batching.ride import Place, Ride
from service.batching.waiting_work import WaitingWork


class Line:
    """Counts in `work` who comes and goes."""

    def __init__(self, work: WaitingWork) -> None:
        self._work = work
        self._first: list[Ride] = []
        self._rest: list[tuple[Place, Ride]] = []

    def __iter__(self) -> Iterator[Ride]:
        """Who waits, in no order."""
        yield from self._first
        for _, ride in self._rest:
            yield ride

    def add(self, ride: Ride) -> None:
        self._work.add(ride.ticket)
        if self._first and ride.place < self._first[-1].place:
            insort(self._first, ride, key=_place)
        else:
            heapq.heappush(self._rest, (ride.place, ride))

    def first(self, most: int) -> list[Ride]:
        """The first `most` who wait, in order."""
        self._leave_only([ride for ride in self._first if not ride.ticket.future.done()])
        while len(self._first) > most:
            ride = self._first.pop()
            heapq.heappush(self._rest, (ride.place, ride))
        while self._rest and len(self._first) < most:
            ride = heapq.heappop(self._rest)[1]
            if ride.ticket.is_settled:
                self._work.remove(ride.ticket)
            else:
                self._first.append(ride)
        return self._first

    def take(self, rides: list[Ride]) -> None:
        """Take some of the first out, whose turn it is; all of them are in this line."""
        taken = set(map(id, rides))
        self._first = [ride for ride in self._first if id(ride) not in taken]
        for ride in rides:
            self._work.remove(ride.ticket)

    def keep(self, is_kept: Callable[[Ride], bool]) -> None:
        """Have only those wait of whom this is true."""
        self._leave_only([ride for ride in self._first if is_kept(ride)])
        leaving = [ride for _, ride in self._rest if not is_kept(ride)]
        if leaving:
            for ride in leaving:
                self._work.remove(ride.ticket)
            self._rest = [entry for entry in self._rest if is_kept(entry[1])]
            heapq.heapify(self._rest)

    def _leave_only(self, staying: list[Ride]) -> None:
        if len(staying) == len(self._first):
            return
        stays = set(map(id, staying))
        for ride in self._first:
            if id(ride) not in stays:
                self._work.remove(ride.ticket)
        self._first = staying


_place: Callable[[Ride], Place] = attrgetter("place")
