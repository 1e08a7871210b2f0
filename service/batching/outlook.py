"""What a newcomer has before him on the carousel: who rides, and the engine's prices."""

from __future__ import annotations

from collections.abc import Iterable

from service.batching.chunk_length import longest_tick_s
from service.batching.company import ride_seconds
from service.batching.cost_model import CostModel
from service.batching.partition import BatchLimits
from service.batching.ride import Ride
from service.batching.waiting_work import WaitingWork


class Outlook:
    """What every request asks for and next to nobody changes: good for one engine, from tick to tick."""

    __slots__ = ("_max_tick_s", "_riding", "_riding_s", "_rows", "cost", "limits")

    def __init__(
        self,
        rides: Iterable[Ride],
        rows: int,
        cost: CostModel,
        limits: BatchLimits,
        max_tick_s: float | None,
    ) -> None:
        """`rides` are all that have begun, and `rows` of them are in the tick that ends next."""
        self.cost = cost
        self.limits = limits
        self._rows = rows
        self._max_tick_s = max_tick_s
        self._riding = WaitingWork()
        for ride in rides:
            self._riding.count(ride.place.level, 1, ride.left)
        self._riding_s: dict[int, float] = {}

    def is_of(self, cost: CostModel, limits: BatchLimits) -> bool:
        return self.cost is cost and self.limits is limits

    def riding_s(self, level: int) -> float:
        """Predicted time until those who ride, and are as urgent, have got off."""
        seconds = self._riding_s.get(level)
        if seconds is None:
            seconds = self._riding_s[level] = self._riding.seconds(self.cost, self.limits, level)
        return seconds

    def among_others_s(self, steps: int, waiting: int) -> float:
        """How long so many steps take at least, among those who ride, while so many wait."""
        here = self._riding.rows + waiting
        longest_s = longest_tick_s(self._max_tick_s, here, self.limits.max_rows, self.cost)
        return ride_seconds(steps, self._rows, self.cost, longest_s)
