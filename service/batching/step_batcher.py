"""The carousel: sequences of a causal model get on and off while it turns.

Every tick runs a chunk of steps for every row that has work. A sequence's state rests in a slot between its
ticks, so a short sequence never waits for a long one to end, rows of any lengths share a batch almost without
padding, and streams are sequences whose state outlives their steps.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from service.backends.engine_thread import Engine, Outcome
from service.batching.before import Before
from service.batching.boarding_queue import BoardingQueue
from service.batching.chunk_length import longest_tick_s
from service.batching.chunks import Chunks
from service.batching.cost_model import EngineCosts
from service.batching.lookout import Lookout
from service.batching.partition import BatchLimits
from service.batching.progress import Progress
from service.batching.queue_rules import QueueBounds, QueueRules
from service.batching.residency import Residency
from service.batching.ride import Ride
from service.batching.scheduler import ANYTHING, Least
from service.batching.seats import Seats
from service.batching.share import Share
from service.batching.state_slots import StateSlots
from service.batching.tick import Tick, TickBuffer
from service.batching.ticket import ORDINARY, Ticket
from service.domain.batches import BatchResult, fits
from service.domain.clock import Clock
from service.domain.signature import Signature
from service.domain.tracing import BatchObserver
from service.errors import EngineFailed, Unavailable, as_engine_failed
from service.telemetry.metrics import ModelMetrics


class StepBatcher:
    """One engine's scheduler for causal models; lives on the event loop, so nothing here needs a lock."""

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
        max_tick_s: float | None = None,
        share: Share | None = None,
    ) -> None:
        self._signature = signature
        self._engine = engine
        self._costs = costs
        self._limits = limits
        self._clock = clock
        self._observer = observer
        self.slots = slots = StateSlots(signature)
        self._residency = residency = Residency(signature, slots, engine, clock, metrics.states)
        self._progress = Progress(signature, slots, residency, clock, metrics)
        self._chunks = Chunks(signature, engine, costs, limits, slots)
        self._lookout = Lookout(costs, limits, max_tick_s)
        self._queue = BoardingQueue(self._lookout.cost)
        self._rules = QueueRules(bounds, self._queue, self._lookout.cost, self._lookout.limits)
        self._seats = Seats(self._queue, slots, costs.current, limits, self._rules.learn, share or Share())
        self._halves: list[list[Ride]] = []
        self._running: list[Tick] = []
        self._buffers: list[TickBuffer] = []
        self._ended_s = 0.0
        self._is_woken = False
        self._is_stopping = False
        self._loop = asyncio.get_running_loop()

    @property
    def waiting(self) -> int:
        return self._queue.work.rows

    def show_states(self) -> None:
        """From now on it is these states that the gauges show."""
        self._residency.show()

    def check_room(self, timeout_s: float = math.inf, least: Least = ANYTHING) -> None:
        if self._queue.work.rows:
            before = self._before(ORDINARY, least.steps)
            self._rules.check_room(least, self._clock.now(), before, timeout_s)

    def submit(self, tickets: list[Ticket]) -> None:
        """Queue all tickets of a request or none; raises Overloaded or Unavailable."""
        if self._is_stopping:
            raise Unavailable("the server is draining: it finishes what it has and takes no more")
        longest = max(ticket.steps for ticket in tickets)
        before = self._before(tickets[0].level, longest)
        self._rules.let_in(tickets, self._clock.now(), before)
        self._wake()

    async def stop(self) -> None:
        """Take no more and wait until nobody waits or rides."""
        self._is_stopping = True
        in_ticks = [tick.rides for tick in self._running]
        riding = [ride.ticket for rides in (list(self._seats), *self._halves, *in_ticks) for ride in rides]
        unanswered = [ticket.future for ticket in (*self._queue.waiting(), *riding) if not ticket.is_settled]
        if unanswered:
            await asyncio.wait(unanswered)

    def _before(self, level: int, steps: int) -> Before:
        return self._lookout.before(self._seats, self._running, level, steps, self._queue.work.rows)

    def _wake(self) -> None:
        """Turn after the callbacks already due: requests read in the same turn of the loop ride together."""
        if not self._is_woken and self._may_turn():
            self._is_woken = True
            self._loop.call_soon(self._turn)

    def _may_turn(self) -> bool:
        if not self._running:
            return True
        ready = len(self._seats) + self._queue.work.rows
        is_full = bool(self._halves) or ready >= self._limits().max_rows
        return is_full and len(self._running) < self._engine.capability.in_flight

    def _turn(self) -> None:
        self._is_woken = False
        while self._may_turn():
            now_s, longest_s = self._clock.now(), self._longest_tick_s()
            rides = self._halves.pop() if self._halves else self._seats.seated(now_s, longest_s)
            if not rides:
                break
            self._run(rides, now_s, longest_s)
        self._lookout.forget()

    def _run(self, rides: list[Ride], now_s: float, longest_s: float) -> None:
        for ride in rides:
            if not ride.done:
                ride.ticket.started_s = now_s
        is_alone = not (len(self._seats) or self._queue.work.rows)
        buffer = self._buffers.pop() if self._buffers else TickBuffer(self._signature)
        try:
            chunk = self._chunks.next(rides, longest_s, self._is_break_wanted if is_alone else None)
            tick = buffer.fill(rides, chunk, self.slots, self._residency, now_s)
        except MemoryError as failure:
            self._buffers.append(buffer)
            self._bisect(rides, failure)
            return
        self._running.append(tick)
        self._seats.ride_for(rides, self._costs.current().seconds(len(rides), chunk.least_steps))

        def finished(outcome: Outcome) -> None:
            self._running.remove(tick)
            self._buffers.append(buffer)
            self._finished(tick.as_run(outcome) if isinstance(outcome, BatchResult) else tick, outcome)

        self._engine.submit(tick.batch, finished)

    def _is_break_wanted(self, rides: list[Ride]) -> bool:
        """Asked on the engine's thread, which may see what was true a moment ago."""
        others = self._queue.work.rows or len(self._running) > 1
        return bool(others) or any(ride.ticket.future.done() for ride in rides)

    def _longest_tick_s(self) -> float:
        here = len(self._seats) + self._queue.work.rows + sum(len(tick.rides) for tick in self._running)
        return longest_tick_s(self._lookout.max_tick_s, here, self._limits().max_rows, self._costs.current())

    def _finished(self, tick: Tick, outcome: Outcome) -> None:
        ended_s = self._clock.now()
        rows, padded_steps = len(tick.rides), tick.batch.padded_steps
        if isinstance(outcome, BatchResult) and not fits(outcome, self._signature, rows, padded_steps):
            outcome = EngineFailed(
                f"the engine's output, of shape {outcome.output.shape}, is not the batch's"
            )
        row_steps = outcome.row_steps(tick.batch) if isinstance(outcome, BatchResult) else rows * padded_steps
        if self._observer is not None:
            tickets = [ride.ticket for ride in tick.rides]
            self._observer.batch_ended(tickets, tick.steps, row_steps, tick.started_s, ended_s, outcome)
        if isinstance(outcome, Exception):
            self._bisect(tick.rides, outcome)
            self._turn()
            return
        # What a tick waited for the one before it is not its own cost.
        took_s = ended_s - max(tick.started_s, self._ended_s)
        self._ended_s = ended_s
        if (states := tick.batch.device_states) is not None:
            self._residency.ran(states, outcome)
        # Where the states were made again, steps were run that are not in the tick's size.
        if states is None or outcome.is_resident:
            self._costs.of(outcome.engine).observe(
                row_steps / padded_steps, padded_steps, outcome.compute_s, took_s, outcome.calls
            )
        self._seats.take_back(self._progress.advance(tick, outcome))
        if not tick.rides[0].left:
            self._seats.got_off(tick.rides[0], ended_s)
        # The engine gets its next tick before this one is handed out.
        self._turn()
        self._progress.hand_out(tick, outcome, ended_s)
        self._residency.make_room()

    def _bisect(self, rides: list[Ride], failure: Exception) -> None:
        """A tick that fails is run again in halves, until the sequence that fails is alone."""
        if len(rides) == 1:
            self._progress.fail(rides[0], as_engine_failed(failure))
            return
        middle = len(rides) // 2
        self._halves += [rides[middle:], rides[:middle]]
