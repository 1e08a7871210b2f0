"""Who comes between two ticks is weighed on what the first who came found out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from service.batching.before import NOTHING, Before
from service.batching.cost_model import CostModel, EngineCosts
from service.batching.outlook import Outlook
from service.batching.partition import BatchLimits
from service.batching.ride import Ride
from service.batching.tick import Tick


class Lookout:
    """Keeps one outlook, from the first who asks to the next turn."""

    def __init__(
        self, costs: EngineCosts, limits: Callable[[], BatchLimits], max_tick_s: float | None
    ) -> None:
        self._costs = costs
        self._limits = limits
        self.max_tick_s = max_tick_s
        self._outlook: Outlook | None = None

    def cost(self) -> CostModel:
        """As the last who came found it, and asked for again only where nobody rides."""
        return self._costs.current() if self._outlook is None else self._outlook.cost

    def limits(self) -> BatchLimits:
        """The same of the limits."""
        return self._limits() if self._outlook is None else self._outlook.limits

    def before(
        self, standing: Iterable[Ride], ticks: Sequence[Tick], level: int, steps: int, waiting: int
    ) -> Before:
        """What somebody has before him who is so urgent and has so many steps, while so many wait."""
        if not ticks:
            self._outlook = None
            return NOTHING
        cost, limits = self._costs.current(), self._limits()
        outlook = self._outlook
        # Between two ticks an engine may be lost: who is let in then is weighed on the one that is left.
        if outlook is None or not outlook.is_of(cost, limits):
            outlook = self._outlook = Outlook(standing, ticks, cost, limits, self.max_tick_s)
        return outlook.before(level, steps, waiting)

    def forget(self) -> None:
        """Others ride from now on."""
        self._outlook = None
