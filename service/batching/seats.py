"""Who is on the carousel, and who rides its next tick."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from operator import attrgetter

from service.batching.boarding_queue import BoardingQueue
from service.batching.company import company, ride_seconds
from service.batching.cost_model import CostModel
from service.batching.length_queue import still_wanted
from service.batching.pace import Pace
from service.batching.partition import BatchLimits
from service.batching.ride import Place, Ride
from service.batching.share import Share
from service.batching.state_slots import StateSlots
from service.batching.ticket import Ticket

# So many times as many as can sit are looked at for who sits together.
_LINES = 2


class Seats:
    """The rides that have begun, between two ticks; and the choice of who rides the next."""

    def __init__(
        self,
        queue: BoardingQueue,
        slots: StateSlots,
        cost: Callable[[], CostModel],
        limits: Callable[[], BatchLimits],
        learn: Callable[[Ticket, float], None],
        share: Share,
    ) -> None:
        """`learn` is told when those will be answered whose turn it is."""
        self._queue = queue
        self._slots = slots
        self._cost = cost
        self._limits = limits
        self._learn = learn
        self._share = share
        # How long rides take beside what is foretold of them.
        self._pace = Pace()
        self._standing: list[Ride] = []

    def __len__(self) -> int:
        return len(self._standing)

    def __iter__(self) -> Iterator[Ride]:
        return iter(self._standing)

    def take_back(self, rides: list[Ride]) -> None:
        """Those who rode a tick and are not at their end."""
        self._standing += rides

    def got_off(self, ride: Ride, ends_s: float) -> None:
        """Learn from a ride that is at its end."""
        if ride.foretold_s:
            self._pace.observe(ride.foretold_s, ends_s - ride.ticket.started_s, ends_s)

    def ride_for(self, rides: list[Ride], tick_s: float) -> None:
        """The tick that was just formed of these is predicted to take so long."""
        self._share.ran(rides, tick_s)

    def seated(self, now_s: float, longest_s: float) -> list[Ride]:
        """The rides of the next tick, which takes so long at most; whoever has to stand keeps his state."""
        self._pace.forget_old(now_s)
        while line := self._line():
            rides = company(line, self._cost(), self._limits(), longest_s)
            if self._are_in_time(rides, now_s, longest_s, is_full=len(rides) < len(line)):
                self._sit(rides)
                return rides
        return []

    def _line(self) -> list[Ride]:
        self._let_off([ride for ride in self._standing if ride.ticket.future.done()])
        line = self._queue.first(_LINES * self._limits().max_rows)
        if self._standing:
            line = sorted(self._standing + line, key=_place)
        return self._share.ordered(line) if line else line

    def _are_in_time(self, rides: list[Ride], now_s: float, longest_s: float, *, is_full: bool) -> bool:
        """Whether all who begin are still wanted, and nobody had to be told that he will be too late.

        Who will be late rides only where nobody has to stand: a seat is a waste on him, but that he will be
        late is only foretold.
        """
        beginning = [ride for ride in rides if not ride.done]
        if not beginning and not is_full:
            return True
        foretold_s = partial(ride_seconds, rows=len(rides), cost=self._cost(), most_s=longest_s)
        factor = self._pace.cautious_factor
        for ride in beginning:
            ride.foretold_s = foretold_s(ride.left)
            still_wanted(ride.ticket, now_s)
        if beginning:
            last = beginning[-1]
            self._learn(last.ticket, now_s + last.foretold_s * factor)
        if is_full:
            for ride in rides:
                # What has begun is a waste only where it is surely late.
                needed_s = foretold_s(ride.left) if ride.done else ride.foretold_s * factor
                if now_s + needed_s > ride.ticket.deadline_s:
                    ride.ticket.expire()
        return not any(ride.ticket.future.done() for ride in rides)

    def _sit(self, rides: list[Ride]) -> None:
        if self._standing:
            sitting = set(map(id, rides))
            self._standing = [ride for ride in self._standing if id(ride) not in sitting]
        beginning = [ride for ride in rides if not ride.done]
        if beginning:
            self._queue.take(beginning)
            for ride in beginning:
                self._bring_states(ride)

    def _bring_states(self, ride: Ride) -> None:
        if ride.ticket.states is not None:
            ride.rest_in(self._slots.take())
            self._slots.write(ride.slot, ride.ticket.states)

    def _let_off(self, leaving: list[Ride]) -> None:
        """Forget those whom nobody waits for any more."""
        for ride in leaving:
            if ride.has_own_slot:
                self._slots.release(ride.slot)
            self._standing.remove(ride)


_place: Callable[[Ride], Place] = attrgetter("place")
