"""Which lengths run together: the cheapest way to cut what waits into batches."""

from __future__ import annotations

import math
from dataclasses import dataclass

from service.batching.cost_model import CostModel


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """The largest batch an engine is given: rows, and rows x padded steps (one row alone may be longer)."""

    max_rows: int
    max_row_steps: int

    def rows_at(self, padded_steps: int) -> int:
        return max(1, min(self.max_rows, self.max_row_steps // padded_steps))


def seconds_for(rows: int, padded_steps: int, cost: CostModel, limits: BatchLimits) -> float:
    """The predicted time of rows of one padded length, in as few batches as the limits allow."""
    calls = -(-rows // limits.rows_at(padded_steps))
    per_call_s = cost.call_s + padded_steps * cost.step_s
    return calls * per_call_s + rows * padded_steps * cost.row_step_s


def cheapest_part(
    lengths: list[int], counts: list[int], anchor: int, cost: CostModel, limits: BatchLimits
) -> tuple[int, int]:
    """The shortest and the longest length that run together with `anchor`, one of the rising `lengths`.

    The lengths are cut into parts of least total predicted time, each padded to its longest. The best
    cut before every place is found from the best cuts before it; the search for one goes back until a
    part costs a whole call more than the cheapest so far, which is exact but for rare ties of counts.
    """
    best_s, cuts = [0.0], [0]
    for end, longest in enumerate(lengths, start=1):
        at_most = limits.rows_at(longest)
        per_call_s = cost.call_s + longest * cost.step_s
        per_row_s = longest * cost.row_step_s
        rows, start, cut = 0, end, end - 1
        cheapest_s = enough_s = math.inf
        while start:
            start -= 1
            rows += counts[start]
            calls_s = per_call_s if rows <= at_most else -(-rows // at_most) * per_call_s
            total_s = best_s[start] + calls_s + rows * per_row_s
            if total_s < cheapest_s:
                cheapest_s, enough_s, cut = total_s, total_s + per_call_s, start
            elif total_s > enough_s:
                break
        best_s.append(cheapest_s)
        cuts.append(cut)
    end = len(lengths)
    while lengths[cuts[end]] > anchor:
        end = cuts[end]
    return lengths[cuts[end]], lengths[end - 1]
