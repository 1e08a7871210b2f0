"""One turn of the carousel: a chunk of steps for every row, laid side by side."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from service.batching.chunks import Chunk
from service.batching.residency import Residency
from service.batching.ride import Ride
from service.batching.state_slots import StateSlots
from service.domain.batches import Batch, BatchResult
from service.domain.signature import Signature
from service.domain.tensors import Array


@dataclass(frozen=True, slots=True)
class Tick:
    """Who rides, how many steps of each, and the batch they make."""

    rides: list[Ride]
    steps: list[int]
    batch: Batch
    started_s: float

    @property
    def done(self) -> int:
        """Steps of each ride that are run already, where it has breaks."""
        breaks = self.batch.breaks
        return 0 if breaks is None else breaks.done

    def as_run(self, result: BatchResult) -> Tick:
        """So much of it as was run."""
        if not result.ran_steps:
            return self
        steps = [result.ran_steps] * len(self.rides)
        return Tick(self.rides, steps, self.batch.as_run(result), self.started_s)


class TickBuffer:
    """The memory ticks are formed in, grown as needed and used again."""

    def __init__(self, signature: Signature) -> None:
        self._signature = signature
        self._steps = np.empty(0, dtype=signature.step_datatype.dtype)

    def fill(
        self,
        rides: list[Ride],
        chunk: Chunk,
        slots: StateSlots,
        residency: Residency,
        now_s: float,
    ) -> Tick:
        """The next steps of every ride, `[time, batch, *step]`; valid until the next fill."""
        steps = chunk.steps
        lengths = np.array(steps, dtype=np.int32)
        sequence, elsewhere = self._sequence(rides, steps), residency.states_of(rides, steps)
        states = slots.gather([ride.slot for ride in rides]) if elsewhere is None else ()
        return Tick(
            rides, steps, Batch(sequence, lengths, states, elsewhere, chunk.breaks, chunk.cuts), now_s
        )

    def _sequence(self, rides: list[Ride], steps: list[int]) -> Array:
        if len(rides) == 1:
            ride = rides[0]
            return ride.ticket.sequence[ride.done : ride.done + steps[0], np.newaxis]
        least_steps, padded_steps = min(steps), max(steps)
        sequence = self._view(padded_steps, len(rides))
        if self._signature.step_shape and least_steps == padded_steps:
            # Nothing to pad, as in most ticks of a large model: one call, not one for each row.
            parts = [ride.ticket.sequence[ride.done : ride.done + padded_steps] for ride in rides]
            np.concatenate(parts, axis=1, out=sequence.reshape(padded_steps, -1, *sequence.shape[3:]))
            return sequence
        # The padding of all rows lies behind this: one call, not one more for each row.
        sequence[least_steps:] = 0
        for row, (ride, count) in enumerate(zip(rides, steps, strict=True)):
            sequence[:count, row] = ride.ticket.sequence[ride.done : ride.done + count]
        return sequence

    def _view(self, padded_steps: int, rows: int) -> Array:
        shape = (padded_steps, rows, *self._signature.step_shape)
        size = math.prod(shape)
        if self._steps.size < size:
            self._steps = np.empty(size, dtype=self._steps.dtype)
        return self._steps[:size].reshape(shape)
