"""How long a tick of the carousel takes, and how many steps it runs."""

from __future__ import annotations

from collections.abc import Iterable

from service.batching.cost_model import ROW_TICK_S, CostModel

_USUAL_S = 0.005
# So much of a tick's time may go into what it costs beside its steps: one part in so many.
_PARTS = 20

CUT_S = 5e-5
"""What a cut costs beside the engine's call: rows put in order, states and outputs put back. Measured on one
core of an AMD EPYC with an engine that answers at once: 50 to 120 us for a tick's first with small states, 0
to 20 for each that follows.
"""


def longest_tick_s(most_s: float | None, here: int, seats: int, cost: CostModel) -> float:
    """How long a tick of a carousel with so many seats may take.

    That is `most_s` where it is given. Else newcomers, who wait for a tick's end, decide: ticks are short.
    But each has its price, and where so many are `here` that no seat stays empty newcomers wait for
    seats, the longer the more goes into ticks: then a tick is as long as pays.
    """
    if most_s is not None:
        return most_s
    return _USUAL_S if here < seats else max(_USUAL_S, _PARTS * (cost.call_s + seats * ROW_TICK_S))


def chunk_length(remaining: Iterable[int], cost: CostModel, most_s: float, *, is_awaited: bool) -> int:
    """Steps of the next tick for rows with so many steps left, at most what `most_s` seconds hold.

    A tick that goes on after a row has ended computes padding for it; one that stops there costs a call
    more, and a row more for each that goes on. So it goes on to the longest of the lengths left for which
    the padding costs no more than that: never more than twice what the best cut would cost. Where others
    wait for a seat (`is_awaited`) an idle one also wastes its share of the step that all rows pay for
    together.
    """
    lengths = sorted(remaining)
    rows = len(lengths)
    idle_s = cost.row_step_s + (cost.step_s / rows if is_awaited else 0.0)
    longest, padding = lengths[0], 0
    for ended, length in enumerate(lengths):
        padding += ended * (length - longest)
        if padding * idle_s > cost.call_s + (rows - ended) * ROW_TICK_S:
            break
        longest = length
    per_step_s = cost.step_s + cost.row_step_s * rows
    if longest * per_step_s <= most_s:
        return longest
    return max(1, int((most_s - cost.call_s) / per_step_s))


def worthwhile_cuts(steps: Iterable[int], cost: CostModel) -> tuple[int, ...]:
    """After which steps a tick of rows of so many is to go on with those only that have more.

    A cut costs the engine's thread a call and CUT_S; without it those who have ended are padded. So there is
    one after the last end from which the padding up to the next would cost more than that.
    """
    lengths, cut_s = sorted(steps), cost.engine_call_s + CUT_S
    cuts, padding, left_out, last = [], 0, 0, lengths[0]
    for ended, length in enumerate(lengths):
        padding += (ended - left_out) * (length - last)
        if padding * cost.row_step_s > cut_s:
            cuts.append(last)
            padding, left_out = 0, ended
        last = length
    return tuple(cuts)
