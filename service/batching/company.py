"""Who rides a tick together: the first in line, and whom it pays to take along."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from service.batching.cost_model import ROW_TICK_S, CostModel
from service.batching.length_queue import length_class
from service.batching.partition import BatchLimits, cheapest_part
from service.batching.ride import Ride


@dataclass(frozen=True, slots=True)
class TickSize:
    """The rows and steps of a tick that fills its time where everybody has steps enough.

    More rows share the price of a step among them, but then a tick has fewer steps, and each row pays for
    more ticks: `rows` is where both together cost least.
    """

    rows: int
    steps: int

    @classmethod
    def best(cls, cost: CostModel, max_rows: int, most_s: float) -> TickSize:
        """Of a tick of `most_s` seconds on this engine."""
        per_tick_s = ROW_TICK_S * cost.row_step_s
        rows = math.sqrt(cost.step_s * most_s / per_tick_s) if per_tick_s else math.inf
        rows = max(1, round(min(max_rows, rows)))
        return cls(rows, max(1, steps_in(most_s, rows, cost)))


def ride_seconds(steps: int, rows: int, cost: CostModel, most_s: float) -> float:
    """How long so many steps take among so many rows, in ticks of at most `most_s`."""
    computing_s = steps * (cost.step_s + cost.row_step_s * rows)
    ticks = min(steps, 1 + computing_s / most_s) if most_s else steps
    return computing_s + ticks * (cost.call_s + cost.wait_s)


def steps_in(seconds: float, rows: int, cost: CostModel) -> int:
    """So many steps so many rows can run in that time, the call apart."""
    per_step_s = cost.step_s + cost.row_step_s * rows
    return int(seconds / per_step_s) if per_step_s else 1 << 30


def rows_in(seconds: float, steps: int, cost: CostModel) -> int:
    """So many rows can run so many steps in that time, the call apart."""
    per_row_s = steps * cost.row_step_s
    return int((seconds - steps * cost.step_s) / per_row_s) if per_row_s else 1 << 30


def company(line: list[Ride], cost: CostModel, limits: BatchLimits, most_s: float) -> list[Ride]:
    """Of those in line the first, and those after him whom the cheapest way to run all lets ride with him.

    As with whole sequences, they are alike in length, so that next to nothing is padded and they get off
    together. But whoever has more steps left than a tick holds is like all others of whom that is true.
    """
    size = TickSize.best(cost, limits.max_rows, most_s)
    most = length_class(size.steps)
    lengths = [most if ride.left >= size.steps else length_class(ride.left) for ride in line]
    low = high = lengths[0]
    counts = Counter(lengths)
    if len(counts) > 1:
        rising = sorted(counts)
        low, high = cheapest_part(rising, [counts[length] for length in rising], lengths[0], cost, limits)
    rows = min(limits.max_rows, max(size.rows, rows_in(most_s, high, cost)))
    if len(counts) == 1:
        return line[:rows]
    return [ride for ride, length in zip(line, lengths, strict=True) if low <= length <= high][:rows]
