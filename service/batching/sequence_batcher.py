"""Batches whole sequences: runs at once when the engine is idle, forms batches while it is busy."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from service.backends.engine_thread import Engine, Outcome
from service.batching.cost_model import EngineCosts
from service.batching.length_queue import LengthQueue
from service.batching.padding import PaddedBuffer, row_output
from service.batching.partition import BatchLimits
from service.batching.ticket import RowResult, Ticket
from service.domain.batches import BatchResult, fits
from service.domain.clock import Clock
from service.domain.signature import Signature
from service.errors import EngineFailed, Overloaded, Unavailable
from service.telemetry.metrics import ModelMetrics


@dataclass(frozen=True, slots=True)
class QueueBounds:
    """How much may wait for one model before the next caller is refused.

    `max_seconds` is of predicted work on the engine in use: a queue that a GPU empties in time is too long
    for the CPU that stands in for it.
    """

    max_rows: int
    max_bytes: int
    max_seconds: float = float("inf")


class SequenceBatcher:
    """One engine's scheduler for models that are given whole sequences.

    Lives on the event loop, so nothing here needs a lock. One batch is with the engine; what arrives
    meanwhile waits and is what the next batch is formed from. Where the engine takes several at once,
    a batch follows before the last has ended if it is full: waiting would bring it no more company.
    """

    def __init__(
        self,
        signature: Signature,
        engine: Engine,
        costs: EngineCosts,
        limits: Callable[[], BatchLimits],
        bounds: QueueBounds,
        clock: Clock,
        metrics: ModelMetrics,
    ) -> None:
        self._signature = signature
        self._engine = engine
        self._costs = costs
        self._limits = limits
        self._bounds = bounds
        self._clock = clock
        self._metrics = metrics
        self._queue = LengthQueue(costs.current, limits)
        self._free_buffers: list[PaddedBuffer] = []
        self._halves: list[list[Ticket]] = []
        self._running: list[list[Ticket]] = []
        self._is_woken = False
        self._is_stopping = False
        self._loop = asyncio.get_running_loop()

    @property
    def waiting(self) -> int:
        return self._queue.waiting_rows

    def submit(self, tickets: list[Ticket]) -> None:
        """Queue all tickets or none; raises Overloaded when the queue has no room for them."""
        if self._is_stopping:
            raise Unavailable("the server is draining: it finishes what it has and takes no more")
        self._refuse_when_full(tickets)
        for ticket in tickets:
            self._queue.add(ticket)
        self._wake()

    async def stop(self) -> None:
        """Take no more and wait until nobody waits; an engine that hangs then holds nothing up."""
        self._is_stopping = True
        taken = [ticket for tickets in (*self._halves, *self._running) for ticket in tickets]
        unanswered = [ticket.future for ticket in (*self._queue.waiting(), *taken) if not ticket.is_settled]
        if unanswered:
            await asyncio.wait(unanswered)

    def _refuse_when_full(self, tickets: list[Ticket]) -> None:
        if self._has_room(tickets):
            return
        self._queue.drop_settled(self._clock.now())
        if not self._has_room(tickets):
            raise Overloaded(
                f"the queue is full: {self._queue.waiting_rows} sequences wait", self._queue.queued_seconds()
            )

    def _has_room(self, tickets: list[Ticket]) -> bool:
        """An empty queue takes anything that passed the body limit, else a large request could never run."""
        rows = self._queue.waiting_rows + len(tickets)
        size = self._queue.waiting_bytes + sum(ticket.sequence.nbytes for ticket in tickets)
        is_within = rows <= self._bounds.max_rows and size <= self._bounds.max_bytes
        return (is_within and self._is_in_time()) or not self._queue.waiting_rows

    def _is_in_time(self) -> bool:
        """Whether what waits is run soon enough; a queue of two batches is, and costs no sum."""
        is_short = self._queue.waiting_rows <= 2 * self._limits().max_rows
        return is_short or self._queue.queued_seconds() <= self._bounds.max_seconds

    def _wake(self) -> None:
        """Dispatch after the callbacks already due: requests read in the same turn share the batch."""
        if not self._is_woken and self._may_run():
            self._is_woken = True
            self._loop.call_soon(self._dispatch)

    def _may_run(self) -> bool:
        if not self._running:
            return True
        is_full = bool(self._halves) or self._queue.waiting_rows >= self._limits().max_rows
        return is_full and len(self._running) < self._engine.capability.in_flight

    def _dispatch(self) -> None:
        self._is_woken = False
        while self._may_run():
            now = self._clock.now()
            tickets = self._halves.pop() if self._halves else self._queue.take(now)
            if not tickets:
                break
            self._run(tickets, now)

    def _run(self, tickets: list[Ticket], now_s: float) -> None:
        for ticket in tickets:
            ticket.started_s = now_s
        buffer = self._free_buffers.pop() if self._free_buffers else PaddedBuffer(self._signature)
        try:
            batch = buffer.fill(tickets)
        except MemoryError as failure:
            self._free_buffers.append(buffer)
            self._bisect(tickets, failure)
            return
        self._running.append(tickets)

        def finished(outcome: Outcome) -> None:
            self._running.remove(tickets)
            self._free_buffers.append(buffer)
            self._finished(tickets, batch.padded_steps, now_s, outcome)

        self._engine.submit(batch, finished)

    def _finished(self, tickets: list[Ticket], padded_steps: int, started_s: float, outcome: Outcome) -> None:
        ended_s = self._clock.now()
        if isinstance(outcome, BatchResult) and not fits(
            outcome, self._signature, len(tickets), padded_steps
        ):
            outcome = EngineFailed(
                f"the engine's output, of shape {outcome.output.shape}, is not the batch's"
            )
        if isinstance(outcome, Exception):
            self._bisect(tickets, outcome)
            self._dispatch()
            return
        # The engine gets its next batch before this one is handed out.
        self._dispatch()
        handing_s = self._clock.now()
        self._hand_out(tickets, outcome, ended_s - started_s)
        self._metrics.statistics.batch_ran(
            len(tickets), ended_s - started_s, outcome.compute_s, self._clock.now() - handing_s
        )
        self._costs.of(outcome.engine).observe(len(tickets), padded_steps, ended_s - started_s)
        self._metrics.batch_ran(
            outcome.device,
            outcome.compute_s,
            padded_steps,
            [ticket.steps for ticket in tickets],
            [ticket.started_s - ticket.arrived_s for ticket in tickets],
        )

    def _bisect(self, tickets: list[Ticket], failure: Exception) -> None:
        """A batch that fails is run again in halves, until the sequence that fails is alone."""
        if len(tickets) == 1:
            error = (
                failure
                if isinstance(failure, EngineFailed)
                else EngineFailed(str(failure) or type(failure).__name__)
            )
            tickets[0].fail(error)
            return
        middle = len(tickets) // 2
        self._halves += [half for half in (tickets[middle:], tickets[:middle]) if half]

    def _hand_out(self, tickets: list[Ticket], result: BatchResult, batch_s: float) -> None:
        for row, ticket in enumerate(tickets):
            output = row_output(result, self._signature, row, ticket.steps)
            if not result.is_finite and not np.isfinite(output).all():
                ticket.fail(EngineFailed("the engine's output is not finite for this sequence"))
                continue
            ticket.resolve(
                RowResult(
                    output,
                    tuple(state[row] for state in result.states),
                    result.device,
                    result.is_degraded,
                    ticket.started_s - ticket.arrived_s,
                    batch_s,
                    result.compute_s,
                    len(tickets),
                )
            )
