"""What a newcomer has before him on the carousel: who rides, and the engine's prices."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from service.batching.company import ride_seconds
from service.batching.cost_model import CostModel
from service.batching.partition import BatchLimits
from service.batching.ride import Ride
from service.batching.waiting_work import WaitingWork


class Outlook(NamedTuple):
    """What every request asks for and only a tick changes: found out once between two of them.

    `longest_s` is how long a tick may take, and `rows` how many ride in the one that ends next.
    """

    cost: CostModel
    limits: BatchLimits
    longest_s: float
    rows: int
    riding: WaitingWork

    @classmethod
    def on(
        cls, rides: Iterable[Ride], rows: int, cost: CostModel, limits: BatchLimits, longest_s: float
    ) -> Outlook:
        """Of a carousel with these rides, the seated and those in ticks."""
        riding = WaitingWork()
        for ride in rides:
            riding.count(ride.place.level, 1, ride.left)
        return cls(cost, limits, longest_s, rows, riding)

    def riding_s(self, level: int) -> float:
        """Predicted time until those who ride, and are as urgent, have got off."""
        return self.riding.seconds(self.cost, self.limits, level)

    def among_others_s(self, steps: int) -> float:
        """How long so many steps take at least, among those who ride."""
        return ride_seconds(steps, self.rows, self.cost, self.longest_s)
