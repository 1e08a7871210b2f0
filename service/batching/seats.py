"""Who is on the carousel, and who rides its next tick."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterator
from operator import attrgetter

from service.batching.boarding_queue import BoardingQueue, Place
from service.batching.partition import BatchLimits
from service.batching.ride import Ride
from service.batching.state_slots import StateSlots
from service.batching.ticket import Ticket


class Seats:
    """Rides between two ticks, and those who wait to get on."""

    def __init__(self, queue: BoardingQueue, slots: StateSlots, limits: Callable[[], BatchLimits]) -> None:
        self._queue = queue
        self._slots = slots
        self._limits = limits
        self._aboard: list[Ride] = []

    def __len__(self) -> int:
        return len(self._aboard)

    def __iter__(self) -> Iterator[Ride]:
        return iter(self._aboard)

    def take_back(self, rides: list[Ride]) -> None:
        """Those who rode a tick and are not at their end."""
        self._aboard += rides

    def seated(self, now_s: float) -> list[Ride]:
        """The rides of the next tick: those aboard, unless somebody waits who goes before one of them.

        Whoever has to stand keeps his state. No more may stand than sit, or a burst would fill the slots.
        """
        aboard = [ride for ride in self._aboard if not self._has_left(ride)]
        if len(aboard) > 1:
            aboard.sort(key=_place)
        seats = self._limits().max_rows
        while len(aboard) < 2 * seats and (first := self._queue.first()):
            if len(aboard) >= seats and aboard[seats - 1].place < first:
                break
            if (entry := self._queue.pop(now_s)) is not None:
                insort(aboard, self._boarding(*entry), key=_place)
        self._aboard = aboard[seats:]
        return aboard[:seats]

    def _boarding(self, place: Place, ticket: Ticket) -> Ride:
        ride = Ride(place, ticket)
        if ticket.states is not None:
            ride.rest_in(self._slots.take())
            self._slots.write(ride.slot, ticket.states)
        return ride

    def _has_left(self, ride: Ride) -> bool:
        if ride.ticket.is_settled and ride.has_own_slot:
            self._slots.release(ride.slot)
        return ride.ticket.is_settled


_place: Callable[[Ride], Place] = attrgetter("place")
