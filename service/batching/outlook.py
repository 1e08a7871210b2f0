"""What a newcomer has before him on the carousel: who rides, and the engine's prices."""

from __future__ import annotations

from collections.abc import Iterable

from service.batching.company import ride_seconds
from service.batching.cost_model import CostModel
from service.batching.partition import BatchLimits
from service.batching.ride import Ride
from service.batching.waiting_work import WaitingWork


class Outlook:
    """What every request asks for and only a tick changes: found out once between two of them."""

    __slots__ = ("_longest_s", "_riding", "_riding_s", "_rows", "cost", "limits")

    def __init__(
        self, rides: Iterable[Ride], rows: int, cost: CostModel, limits: BatchLimits, longest_s: float
    ) -> None:
        """`rides`: all that have begun; `rows`: of them in the tick that ends next; `longest_s`: a tick's."""
        self.cost = cost
        self.limits = limits
        self._rows = rows
        self._longest_s = longest_s
        self._riding = WaitingWork()
        for ride in rides:
            self._riding.count(ride.place.level, 1, ride.left)
        self._riding_s: dict[int, float] = {}

    def riding_s(self, level: int) -> float:
        """Predicted time until those who ride, and are as urgent, have got off."""
        seconds = self._riding_s.get(level)
        if seconds is None:
            seconds = self._riding_s[level] = self._riding.seconds(self.cost, self.limits, level)
        return seconds

    def among_others_s(self, steps: int) -> float:
        """How long so many steps take at least, among those who ride."""
        return ride_seconds(steps, self._rows, self.cost, self._longest_s)
