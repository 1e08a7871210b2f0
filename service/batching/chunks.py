"""What the rides of a tick run in it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from service.backends.engine_thread import Engine
from service.batching.chunk_length import chunk_length, worthwhile_cuts
from service.batching.cost_model import EngineCosts
from service.batching.partition import BatchLimits
from service.batching.ride import Ride
from service.batching.state_slots import StateSlots
from service.domain.batches import Breaks, Cuts
from service.domain.signature import Signature


class Chunk(NamedTuple):
    """The steps of each ride, and whether the tick has breaks or is cut, on an engine that can do that."""

    steps: list[int]
    breaks: Breaks | None = None
    cuts: Cuts | None = None

    @property
    def least_steps(self) -> int:
        """Of the longest ride, whoever comes."""
        return max(self.steps) if self.breaks is None else self.breaks.every


class Chunks:
    """Decides how far a tick goes."""

    def __init__(
        self,
        signature: Signature,
        engine: Engine,
        costs: EngineCosts,
        limits: Callable[[], BatchLimits],
        slots: StateSlots,
    ) -> None:
        self._has_step_outputs = signature.has_step_outputs
        self._engine = engine
        self._costs = costs
        self._limits = limits
        self._slots = slots

    def next(
        self, rides: list[Ride], longest_s: float, is_break_wanted: Callable[[list[Ride]], bool] | None
    ) -> Chunk:
        """The next of these rides, in about `longest_s` at most.

        Where `is_break_wanted` is given, nobody else is there: the tick goes on to somebody's end, and
        asks that at its breaks.
        """
        left, cost = [ride.left for ride in rides], self._costs.current()
        length = chunk_length(left, cost, longest_s, is_awaited=is_break_wanted is None)
        most = max(1, self._limits().max_row_steps // len(rides))
        is_plain = bool(self._slots.resident) or not self._engine.capability.can_break
        if not is_plain and is_break_wanted and (whole := min(*left, most)) > length:
            breaks = Breaks(length, partial(is_break_wanted, rides), self._has_step_outputs)
            return Chunk([whole] * len(rides), breaks)
        length = min(length, most)
        steps = [min(length, each) for each in left]
        after = () if is_plain else worthwhile_cuts(steps, cost)
        return Chunk(steps, cuts=Cuts(after, self._has_step_outputs) if after else None)
