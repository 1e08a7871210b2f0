"""Whatever happens in whatever order: each accepted ticket is answered exactly once and exactly right."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from bench import Bench, all_due, assert_answered
from drawn import examples
from hypothesis import given
from hypothesis import strategies as st

from service.batching.chunk_length import CUT_S
from service.batching.partition import BatchLimits
from service.batching.queue_rules import QueueBounds
from service.batching.sequence_batcher import SequenceBatcher
from service.batching.step_batcher import StepBatcher
from service.batching.ticket import Ticket
from service.domain.signature import Readout
from service.errors import ClientGone, DeadlineExceeded, EngineFailed, Overloaded

lengths = st.lists(st.one_of(st.integers(1, 8), st.integers(1, 70)), min_size=1, max_size=7)
timeouts = st.sampled_from([None, None, 0.005, 0.05, 1.0])
actions = st.one_of(
    st.tuples(st.just("submit"), lengths, timeouts),
    st.tuples(st.just("cancel"), st.integers(0, 60)),
    st.tuples(st.just("leave"), st.integers(0, 60)),
    st.tuples(st.just("advance"), st.sampled_from([0.001, 0.01, 0.03, 0.5])),
    st.tuples(st.just("step")),
    st.tuples(st.just("fail"), st.integers(1, 3)),
)
limits = st.builds(BatchLimits, st.integers(1, 9), st.integers(1, 300))
names = st.frozensets(st.integers(0, 40).map(float), max_size=4)


class CountedTicket(Ticket):
    """Counts how often the engine's side answers it."""

    __slots__ = ("answers", "has_left")

    def resolve(self, result):
        self.answers += 1
        super().resolve(result)

    def fail(self, error):
        self.answers += isinstance(error, EngineFailed)
        super().fail(error)


class Mix:
    """Plays a list of actions on a bench, then sees to it that all is answered."""

    def __init__(self, kind, readout: Readout, batch_limits: BatchLimits, fails_on, nan_on) -> None:
        self.bench = Bench(readout, batch_limits, QueueBounds(30, 20_000), kind=kind)
        self.bench.backend.fails_on, self.bench.backend.nan_on = set(fails_on), set(nan_on)
        self.accepted: list[CountedTicket] = []
        self.deadlines: dict[CountedTicket, float] = {}
        self.cancelled: set[CountedTicket] = set()

    async def play(self, script) -> None:
        for verb, *arguments in script:
            getattr(self, verb)(*arguments)
            await all_due()
            assert self.bench.hand.pending == 1 or not self.bench.batcher.waiting, "work-conserving"
        stopping = asyncio.create_task(self.bench.batcher.stop())
        await self.bench.drain()
        await asyncio.wait_for(stopping, 1.0)

    def submit(self, steps, timeout_s) -> None:
        tickets = [self._ticket(count) for count in steps]
        before = self.bench.batcher.waiting
        try:
            self.bench.batcher.submit(tickets)
        except Overloaded:
            assert self.bench.batcher.waiting <= before
            return
        self.accepted += tickets
        if timeout_s is not None:
            when_s = self.bench.clock.now() + timeout_s
            for ticket in tickets:
                self.deadlines[ticket] = when_s
                ticket.expiry = self.bench.clock.call_at(when_s, ticket.expire)

    def _ticket(self, steps: int) -> CountedTicket:
        plain = self.bench.ticket(steps)
        ticket = CountedTicket(plain.sequence, None, plain.future, plain.arrived_s, lambda: ticket.has_left)
        ticket.answers, ticket.has_left = 0, False
        return ticket

    def cancel(self, index: int) -> None:
        if index < len(self.accepted) and self.accepted[index].future.cancel():
            self.cancelled.add(self.accepted[index])

    def leave(self, index: int) -> None:
        if index < len(self.accepted):
            self.accepted[index].has_left = True

    def advance(self, seconds: float) -> None:
        self.bench.clock.advance(seconds)

    def step(self) -> None:
        if self.bench.hand.pending:
            self.bench.hand.step()

    def fail(self, times: int) -> None:
        self.bench.backend.failures_left = times

    def assert_all_is_well(self) -> None:
        for ticket in self.accepted:
            assert ticket.future.done()
            assert ticket.answers <= 1
            self._assert_is_right(ticket)
        backend = self.bench.backend
        steps_run: Counter[float] = Counter()
        for ran, batch, lengths in zip(backend.succeeded, backend.names, backend.batches, strict=True):
            if ran:
                steps_run.update(dict(zip(batch, lengths.tolist(), strict=True)))
        for ticket in self.bench.tickets:
            assert steps_run[float(ticket.sequence[0, 0])] <= ticket.steps, "no step is computed twice"
        if isinstance(self.bench.batcher, StepBatcher):
            assert self.bench.batcher.slots.in_use == 0, "no slot leaks"

    def _assert_is_right(self, ticket: CountedTicket) -> None:
        backend, name = self.bench.backend, float(ticket.sequence[0, 0])
        if ticket.future.cancelled():
            assert ticket in self.cancelled
            return
        failure = ticket.future.exception()
        if isinstance(failure, ClientGone):
            assert ticket.has_left
        elif isinstance(failure, DeadlineExceeded):
            assert self.deadlines[ticket] <= self.bench.clock.now()
        elif failure is not None:
            assert isinstance(failure, EngineFailed)
            assert name in backend.fails_on | backend.nan_on | backend.failed_alone
        else:
            assert name not in backend.fails_on | backend.nan_on
            assert_answered(ticket)


@pytest.mark.parametrize("kind", [SequenceBatcher, StepBatcher])
@given(st.lists(actions, max_size=30), st.sampled_from(list(Readout)), limits, names, names)
@examples(500)
def test_every_accepted_ticket_is_answered_exactly_once_and_exactly_right(
    kind, script, readout, limit, bad, nan
):
    async def scenario():
        mix = Mix(kind, readout, limit, bad, nan - bad)
        await mix.play(script)
        mix.assert_all_is_well()

    asyncio.run(scenario())


@given(
    st.lists(actions, max_size=30),
    st.sampled_from(list(Readout)),
    limits,
    names,
    names,
    st.sampled_from([0.00011, 0.00015, 0.0003, 0.005]),
    st.sampled_from([0.0, 3e-6, 1e-4]),
)
@examples(300)
def test_so_it_is_where_ticks_have_breaks_and_are_cut(script, readout, limit, bad, nan, tick_s, cut_s):
    async def scenario():
        mix = Mix(StepBatcher, readout, limit, bad, nan - bad)
        mix.bench.backend.can_break = True
        mix.bench.batcher._lookout.max_tick_s = tick_s
        mix.bench.costs.current().engine_call_s = cut_s - CUT_S
        await mix.play(script)
        mix.assert_all_is_well()

    asyncio.run(scenario())


async def on_an_engine_thread(kind, groups, leavers, batch_limits, bad) -> None:
    bench = Bench(Readout.EVERY_STEP, batch_limits, has_thread=True, kind=kind)
    bench.backend.fails_on = set(bad)
    for index, group in enumerate(groups):
        bench.submit(*group)
        if index % 2:
            await all_due()
    cancelled = {
        index for index in leavers if index < len(bench.tickets) and bench.tickets[index].future.cancel()
    }
    await asyncio.wait([ticket.future for ticket in bench.tickets], timeout=20)
    for index, ticket in enumerate(bench.tickets):
        if index in cancelled:
            assert ticket.future.cancelled()
        elif float(index) in bad:
            assert isinstance(ticket.future.exception(), EngineFailed)
        else:
            assert_answered(ticket)
    await bench.batcher.stop()
    await bench.thread.stop()
    assert bench.backend.is_closed


@pytest.mark.parametrize("kind", [SequenceBatcher, StepBatcher])
@given(
    st.lists(lengths, min_size=1, max_size=8), st.frozensets(st.integers(0, 50), max_size=6), limits, names
)
@examples(40)
def test_the_same_holds_on_a_real_engine_thread(kind, groups, leavers, limit, bad):
    asyncio.run(on_an_engine_thread(kind, groups, leavers, limit, bad))
