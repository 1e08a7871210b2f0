"""A scheduler in simulated time: an engine that takes as long as it is told, and callers who come."""

from __future__ import annotations

import asyncio
import heapq
import random
from collections import Counter
from collections.abc import Callable

import numpy as np
from bench import all_due
from fakes import ManualClock, running_sum_signature
from prometheus_client import CollectorRegistry

from service.backends.engine_thread import Outcome
from service.backends.protocol import Capability
from service.batching.cost_model import EngineCosts
from service.batching.partition import BatchLimits
from service.batching.queue_rules import QueueBounds
from service.batching.sequence_batcher import SequenceBatcher
from service.batching.step_batcher import StepBatcher
from service.batching.ticket import Ticket
from service.domain.batches import Batch, BatchResult
from service.errors import Overloaded
from service.telemetry.metrics import Metrics

TIMEOUT_S = 1.0
CALL_S, ROW_STEP_S = 1e-4, 5e-5
_WARM_S = 2 * TIMEOUT_S


class TimedEngine:
    """Runs one batch at a time; `seconds(batch)` is how long."""

    capability = Capability(device="fake")

    def __init__(self, clock: ManualClock, seconds: Callable[[Batch], float]) -> None:
        self._clock = clock
        self._seconds = seconds
        self._job: tuple[Batch, Callable[[Outcome], None]] | None = None
        self._started_s = 0.0
        self.ends_s = float("inf")

    def submit(self, batch: Batch, on_outcome: Callable[[Outcome], None]) -> None:
        assert self._job is None
        self._job = batch, on_outcome
        self._started_s = self._clock.now()
        self.ends_s = self._started_s + self._seconds(batch)

    def end(self) -> None:
        """Report the batch whose time is over."""
        assert self._job is not None
        (batch, on_outcome), self._job, self.ends_s = self._job, None, float("inf")
        rows = np.zeros((batch.rows, 2), np.float32)
        on_outcome(BatchResult(rows, (rows,), "fake", self._clock.now() - self._started_s, "fake"))


class Simulation:
    """Callers who come at random, a tenth of them urgent, to a scheduler whose engine is `slowness(now_s)`
    times as slow as its cost model has been told.
    """

    def __init__(
        self,
        kind: type[SequenceBatcher | StepBatcher],
        slowness: Callable[[float], float],
        lengths: Callable[[random.Random], int],
    ) -> None:
        self._clock = ManualClock()
        self._slowness = slowness
        self._lengths = lengths
        self._random = random.Random(1)
        self._expiries: list[tuple[float, int, Ticket]] = []
        self._engine = TimedEngine(self._clock, self._seconds)
        costs = EngineCosts(lambda: "fake")
        costs.current().calibrate(
            [(rows, steps, _told_s(rows, steps)) for rows in (1, 8, 64) for steps in (16, 40, 64)]
        )
        metrics = Metrics(CollectorRegistry()).for_model("sums", "1")
        self.batcher = kind(
            running_sum_signature(),
            self._engine,
            costs,
            lambda: BatchLimits(64, 1 << 20),
            QueueBounds(2048, 1 << 40),
            self._clock,
            metrics,
        )
        self.counts: Counter[str] = Counter()
        self._answered_steps = 0
        self._warm_s = 0.0

    async def run(self, factor: float, seconds: float) -> float:
        """Steps answered in time over what the engine could have run, after it has settled."""
        start_s = self._clock.now()
        self._warm_s = start_s + _WARM_S
        others = random.Random(2)
        mean_steps = sum(self._lengths(others) for _ in range(2000)) / 2000
        rate = factor / (mean_steps * ROW_STEP_S)
        number, arrives_s = 0, start_s
        while arrives_s < start_s + seconds:
            arrives_s += self._random.expovariate(rate)
            while self._engine.ends_s <= arrives_s:
                self._turn_to(self._engine.ends_s)
                self._engine.end()
                await all_due()
            self._turn_to(arrives_s)
            number += 1
            self._arrive(number, is_counted=arrives_s > self._warm_s)
            await all_due()
        at_work_s = np.linspace(self._warm_s, arrives_s, 1000)
        possible = sum(1 / self._slowness(now_s) for now_s in at_work_s) / 1000 * (seconds - _WARM_S)
        return self._answered_steps * ROW_STEP_S / possible

    @property
    def urgent_share(self) -> float:
        """Of the urgent who asked, so many were answered."""
        return self.counts["answered", 1] / self.counts["asked", 1]

    def _seconds(self, batch: Batch) -> float:
        return _told_s(batch.rows, batch.padded_steps) * self._slowness(self._clock.now())

    def _turn_to(self, when_s: float) -> None:
        while self._expiries and self._expiries[0][0] <= when_s:
            heapq.heappop(self._expiries)[2].expire()
        self._clock.advance(max(0.0, when_s - self._clock.now()))

    def _arrive(self, number: int, *, is_counted: bool) -> None:
        priority = 1 if self._random.random() < 0.1 else 5
        now_s = self._clock.now()
        sequence = np.zeros((self._lengths(self._random), 2), np.float32)
        future: asyncio.Future = asyncio.get_running_loop().create_future()
        ticket = Ticket(sequence, None, future, now_s, None, now_s + TIMEOUT_S, priority)
        future.add_done_callback(lambda done: self._ended(ticket, done))
        self.counts["asked", priority] += is_counted
        try:
            self.batcher.submit([ticket])
        except Overloaded as refusal:
            ticket.abandon()
            self.counts[refusal.reason] += is_counted
            return
        heapq.heappush(self._expiries, (ticket.deadline_s, number, ticket))

    def _ended(self, ticket: Ticket, done: asyncio.Future) -> None:
        is_answered = not done.cancelled() and done.exception() is None
        if is_answered and self._clock.now() >= self._warm_s:
            self.counts["answered", ticket.level // 2] += 1
            self._answered_steps += ticket.steps


def _told_s(rows: int, padded_steps: int) -> float:
    return CALL_S + padded_steps * rows * ROW_STEP_S
