"""A batcher between fakes: a test submits tickets, steps the engine and turns the clock."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

import numpy as np
from fakes import HandEngine, ManualClock, RunningSumBackend, running_sum
from prometheus_client import CollectorRegistry

from service.backends.engine_thread import EngineThread
from service.batching.cost_model import EngineCosts
from service.batching.partition import BatchLimits
from service.batching.queue_rules import QueueBounds
from service.batching.sequence_batcher import SequenceBatcher
from service.batching.step_batcher import StepBatcher
from service.batching.ticket import Ticket
from service.domain.priority import DEFAULT
from service.domain.signature import Readout
from service.domain.tensors import Array
from service.telemetry.metrics import Metrics

ROOMY = QueueBounds(max_rows=2048, max_bytes=1 << 28)


async def all_due() -> None:
    """Let the event loop run what is due, and what that makes due."""
    loop = asyncio.get_running_loop()
    for _ in range(4):
        turn = loop.create_future()
        loop.call_soon(turn.set_result, None)
        await turn


class Bench:
    """Tickets are named: a sequence's first value is its number in order of making."""

    def __init__(
        self,
        readout: Readout = Readout.LAST,
        limits: BatchLimits = BatchLimits(64, 16_384),  # noqa: B008 - frozen
        bounds: QueueBounds = ROOMY,
        has_thread: bool = False,
        kind: type[SequenceBatcher | StepBatcher] = SequenceBatcher,
    ) -> None:
        self.clock = ManualClock()
        self.backend = RunningSumBackend(readout)
        self.hand = HandEngine(self.backend)
        self.thread = EngineThread(self.backend, "fake", asyncio.get_running_loop())
        if has_thread:
            self.thread.start()
        self.registry = CollectorRegistry()
        self.costs = EngineCosts(lambda: self.backend.capability.engine)
        self.batcher = kind(
            self.backend.signature,
            self.thread if has_thread else self.hand,
            self.costs,
            lambda: limits,
            bounds,
            self.clock,
            Metrics(self.registry).for_model("sums", "1"),
        )
        self.tickets: list[Ticket] = []

    def ticket(
        self,
        steps: int,
        state: Array | None = None,
        timeout_s: float | None = None,
        is_abandoned: Callable[[], bool] | None = None,
        priority: int = DEFAULT,
    ) -> Ticket:
        number = len(self.tickets)
        sequence = np.random.default_rng(number).integers(-4, 5, size=(steps, 2)).astype(np.float32)
        # In every step, so that a part of it has the name too.
        sequence[:, 0] = number
        future = asyncio.get_running_loop().create_future()
        states = None if state is None else (state,)
        now_s = self.clock.now()
        deadline_s = now_s + (math.inf if timeout_s is None else timeout_s)
        ticket = Ticket(sequence, states, future, now_s, is_abandoned, deadline_s, priority)
        if timeout_s is not None:
            ticket.expiry = self.clock.call_at(deadline_s, ticket.expire)
        self.tickets.append(ticket)
        return ticket

    def submit(self, *lengths: int) -> list[Ticket]:
        tickets = [self.ticket(steps) for steps in lengths]
        self.batcher.submit(tickets)
        return tickets

    async def drain(self) -> None:
        """Step the engine until nothing is left to run."""
        await all_due()
        while self.hand.pending:
            self.hand.step()
            await all_due()

    def metric(self, name: str, **labels: str) -> float:
        """A sample's value, 0 where it has none yet."""
        return self.registry.get_sample_value(f"carousel_{name}", labels) or 0.0


def due(ticket: Ticket) -> Array:
    """What the ticket's sequence gives when it runs alone: every step's output."""
    return running_sum(ticket.sequence, None if ticket.states is None else ticket.states[0])


def assert_answered(ticket: Ticket) -> None:
    """The ticket has its own answer, to the last bit, and its own new state."""
    result = ticket.future.result()
    every_step = due(ticket)
    np.testing.assert_array_equal(result.output, every_step if result.output.ndim == 2 else every_step[-1])
    np.testing.assert_array_equal(result.states[0], every_step[-1])
