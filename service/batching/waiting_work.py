"""How much waits, in all and by urgency: counted as tickets come and go, never by looking through them."""

from __future__ import annotations

import math

from service.batching.cost_model import CostModel
from service.batching.partition import BatchLimits
from service.batching.ticket import Ticket


class WaitingWork:
    """Rows, bytes and steps of waiting tickets."""

    def __init__(self) -> None:
        self.rows = self.bytes = 0
        self._by_level: dict[int, tuple[int, int]] = {}

    def add(self, ticket: Ticket) -> None:
        self._count(ticket, 1)

    def remove(self, ticket: Ticket) -> None:
        self._count(ticket, -1)

    def clear(self) -> None:
        self.rows = self.bytes = 0
        self._by_level.clear()

    def has_less_urgent(self, level: int) -> bool:
        """Whether anything waits that is less urgent than `level`."""
        return any(at > level and rows for at, (rows, _) in self._by_level.items())

    def seconds(
        self, cost: CostModel, limits: BatchLimits, level: float = math.inf, most_steps: float = math.inf
    ) -> float:
        """Predicted time to run what waits at `level` or more urgently, or `most_steps` of each row of it."""
        rows = steps = 0
        for at, (rows_there, steps_there) in self._by_level.items():
            if at <= level:
                rows += rows_there
                steps += steps_there
        return seconds_of(rows, min(steps, rows * most_steps) if rows else 0, cost, limits)

    def count(self, level: int, rows: int, steps: int) -> None:
        """Count rows with so many steps in all; fewer where they are negative."""
        self.rows += rows
        rows_before, steps_before = self._by_level.get(level, (0, 0))
        self._by_level[level] = (rows_before + rows, steps_before + steps)

    def _count(self, ticket: Ticket, by: int) -> None:
        self.bytes += by * ticket.size
        self.count(ticket.level, by, by * ticket.steps)


def seconds_of(rows: int, steps: float, cost: CostModel, limits: BatchLimits) -> float:
    """Predicted time of so many rows with so many steps in all, run in full batches of like lengths."""
    if not rows:
        return 0.0
    mean = steps / rows
    calls = max(1.0, rows / limits.rows_at(max(1, round(mean))))
    return calls * (cost.wait_s + cost.call_s + mean * cost.step_s) + steps * cost.row_step_s
