"""A queue in simulated time, offered twice what its engine can do: who is let in is answered, in time."""

from __future__ import annotations

import asyncio
import heapq
import random
from collections import Counter

import numpy as np
import pytest

from service.batching.cost_model import CostModel
from service.batching.length_queue import LengthQueue
from service.batching.partition import BatchLimits
from service.batching.queue_rules import QueueBounds, QueueRules
from service.batching.ticket import Ticket
from service.errors import Overloaded

STEPS, ROWS = 40, 64
ROW_STEP_S = 5e-5
PEAK_PER_S = 1 / (STEPS * ROW_STEP_S)
TIMEOUT_S = 1.0
SEQUENCE = np.zeros((STEPS, 1), np.float32)
# Futures need a loop to belong to; nothing runs on this one.
LOOP = asyncio.new_event_loop()
LOOP.close()
LOOP.set_exception_handler(lambda *_: None)


class Simulation:
    """`slowness(now_s)` is how much longer a batch takes than its cost model has been told."""

    def __init__(self, slowness):
        self._cost = CostModel()
        self._cost.calibrate([(rows, s, s * ROW_STEP_S * rows) for rows in (1, 8, 64) for s in (16, 40, 64)])
        limits = BatchLimits(ROWS, 1 << 20)
        self._queue = LengthQueue(lambda: self._cost, lambda: limits)
        bounds = QueueBounds(2048, 1 << 40)
        self._rules = QueueRules(bounds, self._queue, lambda: self._cost, lambda: limits)
        self._slowness = slowness
        self._random = random.Random(1)
        self._expiries: list[tuple[float, int, Ticket]] = []
        self._running: list[Ticket] = []
        self._started_s = self._ends_s = self._free_s = 0.0
        self.counts: Counter[str] = Counter()

    def run(self, factor, seconds):
        """Answers in time over what the engine could have given, from the second second on."""
        now_s = 0.0
        number = 0
        while now_s < seconds:
            arrives_s = now_s + self._random.expovariate(factor * PEAK_PER_S)
            while self._running and self._ends_s <= arrives_s:
                self._expire(self._ends_s)
                self._end(self._ends_s)
            now_s, number = arrives_s, number + 1
            self._expire(now_s)
            self._arrive(now_s, number)
        return self.counts["answered"] / self.counts["possible"]

    def _arrive(self, now_s, number):
        priority = 1 if self._random.random() < 0.1 else 5
        ticket = Ticket(SEQUENCE, None, LOOP.create_future(), now_s, None, now_s + TIMEOUT_S, priority)
        try:
            self._rules.let_in([ticket], now_s, max(0.0, self._free_s - now_s) if self._running else 0.0)
        except Overloaded as refusal:
            self.counts[refusal.reason] += 1
            return
        heapq.heappush(self._expiries, (ticket.deadline_s, number, ticket))
        if not self._running:
            self._begin(now_s)

    def _begin(self, now_s):
        self._running = self._queue.take(now_s)
        if self._running:
            told_s = self._cost.seconds(len(self._running), STEPS)
            took_s = len(self._running) * STEPS * ROW_STEP_S * self._slowness(now_s)
            self._started_s, self._ends_s, self._free_s = now_s, now_s + took_s, now_s + told_s
            self._rules.learn(self._queue.last_out, self._free_s)

    def _end(self, now_s):
        took_s = now_s - self._started_s
        self._cost.observe(len(self._running), STEPS, took_s)
        in_time = [ticket for ticket in self._running if not ticket.is_settled]
        for ticket in in_time:
            ticket.resolve(None)
        if now_s > 2 * TIMEOUT_S:
            self.counts["answered"] += len(in_time)
            self.counts["possible"] += took_s / self._slowness(self._started_s) * PEAK_PER_S
        self._begin(now_s)

    def _expire(self, now_s):
        while self._expiries and self._expiries[0][0] <= now_s:
            heapq.heappop(self._expiries)[2].expire()


@pytest.mark.parametrize(
    ("slowness", "least"),
    [
        pytest.param(lambda _: 1.0, 0.99, id="as foretold"),
        pytest.param(lambda _: 2.2, 0.98, id="slower"),
        pytest.param(lambda _: 0.6, 0.99, id="faster"),
        pytest.param(lambda now_s: 1.4 if int(now_s) % 2 else 1.0, 0.95, id="now and then slower"),
    ],
)
def test_twice_what_the_engine_can_do_costs_it_no_answers(slowness, least):
    simulation = Simulation(slowness)
    assert simulation.run(2.0, 8.0) >= least
    assert simulation.counts["deadline_unreachable"] > 0
