"""Batches whole sequences: runs at once when the engine is idle, forms batches while it is busy."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from service.backends.engine_thread import Engine, Outcome
from service.batching.before import Before
from service.batching.cost_model import EngineCosts
from service.batching.handing_out import HandingOut
from service.batching.length_queue import LengthQueue
from service.batching.padding import PaddedBuffer
from service.batching.partition import BatchLimits
from service.batching.queue_rules import QueueBounds, QueueRules
from service.batching.scheduler import ANYTHING, Least
from service.batching.ticket import Ticket
from service.domain.batches import BatchResult, fits
from service.domain.clock import Clock
from service.domain.signature import Signature
from service.domain.tracing import BatchObserver
from service.errors import EngineFailed, Unavailable, as_engine_failed
from service.telemetry.metrics import ModelMetrics


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
        observer: BatchObserver | None = None,
    ) -> None:
        self._signature = signature
        self._engine = engine
        self._costs = costs
        self._limits = limits
        self._clock = clock
        self._observer = observer
        self._queue = LengthQueue(costs.current, limits)
        self._rules = QueueRules(bounds, self._queue, costs.current, limits)
        self._out = HandingOut(signature, metrics, clock)
        self._free_buffers: list[PaddedBuffer] = []
        self._halves: list[list[Ticket]] = []
        self._running: list[list[Ticket]] = []
        # When the engine is expected to have run what it was given, and when it last ended a batch.
        self._free_s = self._ended_s = 0.0
        # What the batches that run are predicted to take, together.
        self._running_s = 0.0
        self._is_woken = False
        self._is_stopping = False
        self._loop = asyncio.get_running_loop()

    @property
    def waiting(self) -> int:
        return self._queue.work.rows

    def check_room(self, timeout_s: float = math.inf, least: Least = ANYTHING) -> None:
        if self._queue.work.rows:
            now_s = self._clock.now()
            self._rules.check_room(least, now_s, Before(self._free_in_s(now_s)), timeout_s)

    def submit(self, tickets: list[Ticket]) -> None:
        """Queue all tickets of a request or none; raises Overloaded or Unavailable."""
        if self._is_stopping:
            raise Unavailable("the server is draining: it finishes what it has and takes no more")
        now_s = self._clock.now()
        self._rules.let_in(tickets, now_s, Before(self._free_in_s(now_s)))
        self._wake()

    async def stop(self) -> None:
        """Take no more and wait until nobody waits; an engine that hangs then holds nothing up."""
        self._is_stopping = True
        taken = [ticket for tickets in (*self._halves, *self._running) for ticket in tickets]
        unanswered = [ticket.future for ticket in (*self._queue.waiting(), *taken) if not ticket.is_settled]
        if unanswered:
            await asyncio.wait(unanswered)

    def _free_in_s(self, now_s: float) -> float:
        """Predicted time until the engine has run what it was given."""
        return max(0.0, self._free_s - now_s) if self._running else 0.0

    def _wake(self) -> None:
        """Dispatch after the callbacks already due: requests read in the same turn share the batch."""
        if not self._is_woken and self._may_run():
            self._is_woken = True
            self._loop.call_soon(self._dispatch)

    def _may_run(self) -> bool:
        if not self._running:
            return True
        is_full = bool(self._halves) or self._queue.work.rows >= self._limits().max_rows
        return is_full and len(self._running) < self._engine.capability.in_flight

    def _dispatch(self) -> None:
        self._is_woken = False
        while self._may_run():
            now = self._clock.now()
            if self._halves:
                self._run(self._halves.pop(), now)
            elif tickets := self._queue.take(now):
                self._run(tickets, now)
                self._rules.learn(self._queue.last_out, self._free_s)
            else:
                break

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
        predicted_s = self._costs.current().seconds(len(tickets), batch.padded_steps)
        self._free_s = max(self._free_s, now_s) + predicted_s
        self._running_s += predicted_s

        def finished(outcome: Outcome) -> None:
            self._running.remove(tickets)
            self._running_s -= predicted_s
            self._free_buffers.append(buffer)
            self._finished(tickets, batch.padded_steps, now_s, outcome)

        self._engine.submit(batch, finished)

    def _finished(self, tickets: list[Ticket], padded_steps: int, started_s: float, outcome: Outcome) -> None:
        ended_s = self._clock.now()
        row_steps = padded_steps * len(tickets)
        # What was predicted wrongly is over: carried on, it would add up for as long as the engine is busy.
        self._free_s = ended_s + self._running_s
        if isinstance(outcome, BatchResult) and not fits(
            outcome, self._signature, len(tickets), padded_steps
        ):
            outcome = EngineFailed(
                f"the engine's output, of shape {outcome.output.shape}, is not the batch's"
            )
        if self._observer is not None:
            steps = [ticket.steps for ticket in tickets]
            self._observer.batch_ended(tickets, steps, row_steps, started_s, ended_s, outcome)
        if isinstance(outcome, Exception):
            self._bisect(tickets, outcome)
            self._dispatch()
            return
        # What a batch waited for the one before it is not its own cost.
        took_s = ended_s - max(started_s, self._ended_s)
        self._ended_s = ended_s
        self._costs.of(outcome.engine).observe(len(tickets), padded_steps, outcome.compute_s, took_s)
        # The engine gets its next batch before this one is handed out.
        self._dispatch()
        self._out.hand_out(tickets, outcome, row_steps, ended_s - started_s)

    def _bisect(self, tickets: list[Ticket], failure: Exception) -> None:
        """A batch that fails is run again in halves, until the sequence that fails is alone."""
        if len(tickets) == 1:
            tickets[0].fail(as_engine_failed(failure))
            return
        middle = len(tickets) // 2
        self._halves += [half for half in (tickets[middle:], tickets[:middle]) if half]
