"""One waiting sequence."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import NamedTuple

from service.batching.slot import FRESH, Slot
from service.domain.device_states import ResidentState
from service.domain.priority import DEFAULT
from service.domain.tensors import Array
from service.domain.tracing import RequestTrace
from service.errors import DeadlineExceeded

ORDINARY = 2 * DEFAULT
"""The level of a request that says nothing of its urgency."""


class RowResult(NamedTuple):
    """One sequence's share of a batch: its own output and states, and where the time went.

    The states of a session's step that stay on a device are `resident`.
    """

    output: Array
    states: tuple[Array, ...]
    device: str
    is_degraded: bool
    queue_s: float
    batch_s: float
    compute_s: float
    batch_rows: int
    resident: ResidentState | None = None

    def to_keep(self) -> RowResult:
        """The answer without its states, and without the batch of which its output may be a view."""
        return RowResult(
            self.output.copy(),
            (),
            self.device,
            self.is_degraded,
            self.queue_s,
            self.batch_s,
            self.compute_s,
            self.batch_rows,
        )


class Ticket:
    """A sequence that waits for its answer; whatever becomes of its batch-mates, it is answered once.

    It starts from `states` or, on the carousel, from what is in `slot`; else it is a fresh sequence.
    `is_abandoned` asks whether the caller has
    left without telling the event loop, as HTTP clients do. Times are the clock's. `size` is in bytes:
    the sequence's own, or what is kept alive for it where that is more.
    """

    __slots__ = (
        "arrived_s",
        "deadline_s",
        "expiry",
        "foretold_s",
        "future",
        "is_abandoned",
        "level",
        "sequence",
        "size",
        "slot",
        "started_s",
        "states",
        "steps",
        "trace",
    )

    def __init__(
        self,
        sequence: Array,
        states: tuple[Array, ...] | None,
        future: asyncio.Future[RowResult],
        arrived_s: float,
        is_abandoned: Callable[[], bool] | None = None,
        deadline_s: float = math.inf,
        priority: int = DEFAULT,
        held_bytes: int = 0,
        slot: Slot = FRESH,
    ) -> None:
        self.sequence = sequence
        self.size = max(sequence.nbytes, held_bytes)
        self.states = states
        self.slot = slot
        self.steps = len(sequence)
        self.future = future
        self.arrived_s = arrived_s
        self.started_s = arrived_s
        self.is_abandoned = is_abandoned
        self.deadline_s = deadline_s
        # A step of a live stream is let into a full queue before others of its priority, and shares the seats
        # with them by weight.
        self.level = 2 * priority - (slot is not FRESH)
        # The wait that was foretold when it was queued; 0 where nobody was before it.
        self.foretold_s = 0.0
        self.expiry: asyncio.TimerHandle | None = None
        self.trace: RequestTrace | None = None

    @property
    def is_settled(self) -> bool:
        """Answered, refused, or cancelled by its caller."""
        return self.future.done()

    def resolve(self, result: RowResult) -> None:
        self._stop_clock()
        if not self.future.done():
            self.future.set_result(result)

    def fail(self, error: Exception) -> None:
        self._stop_clock()
        if not self.future.done():
            self.future.set_exception(error)

    def abandon(self) -> None:
        """Give up: the caller has left, the row need not run, and its failure interests nobody."""
        self._stop_clock()
        if not self.future.cancel() and not self.future.cancelled():
            self.future.exception()

    def expire(self) -> None:
        self.fail(DeadlineExceeded("timeout: the deadline passed before the sequence was answered"))

    def _stop_clock(self) -> None:
        if self.expiry is not None:
            self.expiry.cancel()
            self.expiry = None
