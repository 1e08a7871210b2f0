"""A sequence on the carousel: how far it has come, where its state rests, and its answer so far."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from service.batching.slot import Slot
from service.batching.ticket import RowResult, Ticket
from service.domain.batches import BatchResult
from service.domain.device_states import ResidentState
from service.domain.tensors import Array

_NOTHING = np.empty(0, np.float32)


class Place(NamedTuple):
    """Whoever's is smaller goes first.

    Of one level that is who should be done first, if each were given so many times as long as it takes
    alone: a short sequence goes before a long one that came a little earlier, and nobody is overtaken
    for ever, since whoever comes late enough is due later.
    """

    level: int
    due_s: float
    number: int

    @property
    def priority(self) -> int:
        return (self.level + 1) // 2

    @property
    def is_stream(self) -> bool:
        """Whether it is a live stream's step; its level is the one before that of its priority's others."""
        return self.level % 2 == 1


class Ride:
    """One ticket from getting on to getting off; of its steps so many are `done` and so many `left`."""

    __slots__ = (
        "compute_s",
        "done",
        "foretold_s",
        "has_own_slot",
        "is_degraded",
        "left",
        "output",
        "place",
        "slot",
        "ticket",
    )

    def __init__(self, place: Place, ticket: Ticket) -> None:
        self.place = place
        self.ticket = ticket
        self.done = 0
        self.left = ticket.steps
        # A session's slot is only looked into: what becomes of it is for the session to say.
        self.slot: Slot = ticket.slot
        self.has_own_slot = False
        self.output: Array = _NOTHING
        self.compute_s = 0.0
        # From its first tick to its last, as foretold at its first.
        self.foretold_s = 0.0
        self.is_degraded = False

    def rest_in(self, slot: Slot) -> None:
        """From now on its state is there, and nobody else's."""
        self.slot, self.has_own_slot = slot, True

    def join(self, output: Array) -> None:
        """Keep the output `[steps, …]` of the steps that follow those done."""
        if len(output) == self.ticket.steps:
            self.output = output
            return
        if not self.done:
            self.output = np.empty((self.ticket.steps, *output.shape[1:]), output.dtype)
        self.output[self.done : self.done + len(output)] = output

    def answer(
        self, result: BatchResult, row: int, rows: int, ended_s: float, resident: ResidentState | None
    ) -> RowResult:
        """The whole answer, after the tick that was the last."""
        ticket = self.ticket
        return RowResult(
            self.output,
            tuple([state[row] for state in result.states]),
            result.device,
            self.is_degraded,
            ticket.started_s - ticket.arrived_s,
            ended_s - ticket.started_s,
            self.compute_s,
            rows,
            resident,
        )
