"""What a newcomer has before him on the carousel: who rides, and the engine's prices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from service.batching.before import Before
from service.batching.chunk_length import longest_tick_s
from service.batching.company import ride_seconds
from service.batching.cost_model import CostModel
from service.batching.partition import BatchLimits
from service.batching.ride import Ride
from service.batching.tick import Tick
from service.batching.waiting_work import WaitingWork


class Outlook:
    """What every request asks for and next to nobody changes: good for one engine, from tick to tick."""

    __slots__ = ("_max_tick_s", "_riding", "_riding_s", "_rows", "cost", "limits")

    def __init__(
        self,
        standing: Iterable[Ride],
        ticks: Sequence[Tick],
        cost: CostModel,
        limits: BatchLimits,
        max_tick_s: float | None,
    ) -> None:
        """Of those who have begun, who stands and who is in the `ticks`, of which the first ends next."""
        self.cost = cost
        self.limits = limits
        self._rows = len(ticks[0].rides)
        self._max_tick_s = max_tick_s
        self._riding = WaitingWork()
        for ride in standing:
            self._riding.count(ride.place.level, 1, ride.left)
        for tick in ticks:
            for ride in tick.rides:
                self._riding.count(ride.place.level, 1, ride.left - tick.done)
        self._riding_s: dict[int, float] = {}

    def is_of(self, cost: CostModel, limits: BatchLimits) -> bool:
        return self.cost is cost and self.limits is limits

    def before(self, level: int, steps: int, waiting: int) -> Before:
        """What somebody has before him who is so urgent and has so many steps, while so many wait.

        Where nobody has to stand, a longer one is out of his way after as many steps as are his own: he waits
        for the end of a tick, and for those.
        """
        here = self._riding.rows + waiting
        longest_s = longest_tick_s(self._max_tick_s, here, self.limits.max_rows, self.cost)
        least_s = ride_seconds(steps, self._rows, self.cost, longest_s)
        riding_s = self._until_all_have_got_off_s(level)
        if here >= self.limits.max_rows:
            return Before(riding_s, least_s)
        if riding_s > longest_s:
            tick_s = max(longest_s, self.cost.seconds(self._rows, 1))
            riding_s = min(riding_s, tick_s + self._riding.seconds(self.cost, self.limits, level, steps))
        return Before(riding_s, least_s, steps)

    def _until_all_have_got_off_s(self, level: int) -> float:
        """Of those who are as urgent."""
        seconds = self._riding_s.get(level)
        if seconds is None:
            seconds = self._riding_s[level] = self._riding.seconds(self.cost, self.limits, level)
        return seconds
