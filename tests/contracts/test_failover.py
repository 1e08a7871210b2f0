"""Faults at random points of random traffic: every accepted sequence is answered once, and right."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np
import pytest
from bench import all_due
from drawn import examples
from engines import STALL_S, Engines
from fakes import running_sum
from faulty import FaultyEngine, fails, hangs, poisons
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from service.batching.cost_model import EngineCosts
from service.batching.partition import BatchLimits
from service.batching.queue_rules import QueueBounds
from service.batching.sequence_batcher import SequenceBatcher
from service.batching.step_batcher import StepBatcher
from service.batching.ticket import Ticket
from service.domain.signature import Readout
from service.errors import EngineOutOfMemory
from service.telemetry.metrics import Metrics


def out_of_memory(engine, batch, on_outcome):
    on_outcome(EngineOutOfMemory("no room"))


FAULTS = (None, fails, hangs, poisons, out_of_memory)
events = st.one_of(
    st.tuples(st.just("submit"), st.lists(st.integers(1, 40), min_size=1, max_size=5)),
    st.tuples(st.just("cancel"), st.integers(0, 200)),
    st.tuples(st.just("step"), st.sampled_from(["gpu", "cpu"])),
    st.tuples(st.just("fault"), st.sampled_from(FAULTS)),
    st.tuples(st.just("memory"), st.sampled_from([1, 2, 3, 1 << 30])),
    st.tuples(st.just("advance"), st.sampled_from([0.1, 1.0, STALL_S, 70.0])),
    st.tuples(st.just("let go"), st.just(None)),
)


class Traffic(Engines):
    """A batcher before a GPU that fails and a CPU that does not, all of it moved by hand."""

    def __init__(self, kind, readout: Readout, in_flight: int) -> None:
        super().__init__(readout)
        self.gpu.is_stepped = self.cpu.is_stepped = True
        self.gpu.capability = type(self.gpu.capability)("gpu", engine="tensorrt", in_flight=in_flight)
        self.readout = readout
        self.tickets: list[Ticket] = []
        self.answers: list[int] = []
        self.batcher = kind(
            self.gpu.backend.signature,
            self.fallback,
            EngineCosts(lambda: self.fallback.capability.engine),
            lambda: BatchLimits(4, 1 << 20),
            QueueBounds(1 << 20, 1 << 30),
            self.clock,
            Metrics(CollectorRegistry()).for_model("sums", "1"),
        )

    def play(self, kind: str, value) -> None:
        plays: dict[str, Callable] = {
            "submit": self.submit,
            "cancel": self.cancel,
            "step": lambda name: step_once({"gpu": self.gpu, "cpu": self.cpu}[name]),
            "fault": self.gpu.plan.append,
            "memory": lambda rows: setattr(self.gpu, "most_rows", rows),
            "advance": self.clock.advance,
            "let go": lambda _: self.let_go(),
        }
        plays[kind](value)

    def submit(self, lengths: list[int]) -> None:
        tickets = [self._ticket(steps) for steps in lengths]
        self.tickets += tickets
        self.batcher.submit(tickets)

    def cancel(self, number: int) -> None:
        if self.tickets:
            self.tickets[number % len(self.tickets)].future.cancel()

    def let_go(self) -> None:
        if self.gpu.hanging:
            self.gpu.hanging.pop()()

    async def drain(self) -> None:
        """Whatever still hangs goes on hanging: the watchdog has to see to it."""
        for _ in range(10_000):
            await all_due()
            if all(ticket.is_settled for ticket in self.tickets):
                return
            if self.gpu.inbox or self.cpu.inbox:
                step_once(self.gpu)
                step_once(self.cpu)
            else:
                self.clock.advance(STALL_S)
        raise AssertionError("a sequence was lost")

    def _ticket(self, steps: int) -> Ticket:
        number = len(self.tickets)
        sequence = np.random.default_rng([number, steps]).integers(-4, 5, size=(steps, 2)).astype(np.float32)
        future = asyncio.get_running_loop().create_future()
        return Ticket(sequence, None, future, self.clock.now())

    def assert_answered_exactly(self) -> None:
        for ticket in self.tickets:
            if ticket.future.cancelled():
                continue
            result = ticket.future.result()
            every_step = running_sum(ticket.sequence)
            due = every_step if self.readout is Readout.EVERY_STEP else every_step[-1]
            np.testing.assert_array_equal(result.output, due)
            np.testing.assert_array_equal(result.states[0], every_step[-1])


def step_once(engine: FaultyEngine) -> None:
    if engine.inbox:
        engine.step()


@pytest.mark.parametrize("scheduler", [SequenceBatcher, StepBatcher])
@examples(80)
@given(st.lists(events, max_size=60), st.sampled_from(list(Readout)), st.sampled_from([1, 2]))
def test_whatever_the_gpu_does_every_accepted_sequence_is_answered_once_and_right(
    scheduler, played, readout, in_flight
):
    async def scenario() -> None:
        traffic = Traffic(scheduler, readout, in_flight)
        for kind, value in played:
            traffic.play(kind, value)
            await all_due()
        await traffic.drain()
        traffic.assert_answered_exactly()

    asyncio.run(scenario())


@pytest.mark.parametrize("scheduler", [SequenceBatcher, StepBatcher])
@examples(30)
@given(st.lists(events, max_size=40))
def test_a_gpu_that_heals_is_in_use_again_and_answers_alone(scheduler, played):
    async def scenario() -> None:
        traffic = Traffic(scheduler, Readout.LAST, in_flight=1)
        for kind, value in played:
            traffic.play(kind, value)
            await all_due()
        traffic.gpu.plan.clear()
        traffic.gpu.most_rows = 1 << 30
        await traffic.drain()
        while traffic.gpu.hanging:
            traffic.let_go()
        for _ in range(4):
            traffic.clock.advance(70.0)
            while traffic.gpu.inbox:
                traffic.gpu.step()
        await all_due()
        traffic.submit([3, 5])
        await traffic.drain()
        assert {ticket.future.result().device for ticket in traffic.tickets[-2:]} == {"gpu"}
        assert not traffic.tickets[-1].future.result().is_degraded
        traffic.assert_answered_exactly()

    asyncio.run(scenario())
