"""Who waits to get on the carousel, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from operator import attrgetter

from service.batching.cost_model import CostModel
from service.batching.line import Line
from service.batching.ride import Place, Ride
from service.batching.ticket import Ticket
from service.batching.waiting_work import WaitingWork

# How many times its own length a sequence may be held up by shorter ones that came after it.
_PATIENCE = 10.0


class BoardingQueue:
    """Waiting tickets by level and by when they are due; those of live streams in a line of their own."""

    def __init__(self, cost: Callable[[], CostModel]) -> None:
        self._cost = cost
        self._next_number = 0
        self.work = WaitingWork()
        self._finite, self._streams = Line(self.work), Line(self.work)

    def add(self, ticket: Ticket) -> None:
        cost = self._cost()
        alone_s = cost.call_s + ticket.steps * (cost.step_s + cost.row_step_s)
        place = Place(ticket.level, ticket.arrived_s + _PATIENCE * alone_s, self._next_number)
        self._next_number += 1
        (self._streams if place.is_stream else self._finite).add(Ride(place, ticket))

    def first(self, most: int) -> list[Ride]:
        """The first `most` of the streams and of the others, all in order."""
        streams, finite = self._streams.first(most), self._finite.first(most)
        if not streams or not finite:
            return streams or finite
        # Of two lists in order sorting makes one, in C.
        return sorted(streams + finite, key=_place)

    def take(self, rides: list[Ride]) -> None:
        """Take some of the first out, whose turn it is."""
        streams = [ride for ride in rides if ride.place.is_stream]
        if streams:
            self._streams.take(streams)
        if len(streams) < len(rides):
            self._finite.take([ride for ride in rides if not ride.place.is_stream])

    def waiting(self) -> Iterator[Ticket]:
        """Who waits, in no order."""
        return (ride.ticket for ride in chain(self._streams, self._finite))

    def less_urgent(self, level: int) -> Iterator[Ticket]:
        """Who waits with less urgency than `level`: the last to go first."""
        backwards = sorted(chain(self._streams, self._finite), key=_place, reverse=True)
        return (ride.ticket for ride in backwards if ride.place.level > level)

    def remove(self, leaving: list[Ticket]) -> None:
        """Take tickets out that will not run."""
        wanted = set(map(id, leaving))
        self._keep(lambda ride: id(ride.ticket) not in wanted)

    def drop_settled(self) -> None:
        """Give back the room of tickets that nobody waits for any more."""
        self._keep(lambda ride: not ride.ticket.is_settled)

    def _keep(self, is_kept: Callable[[Ride], bool]) -> None:
        self._streams.keep(is_kept)
        self._finite.keep(is_kept)


_place: Callable[[Ride], Place] = attrgetter("place")
