"""The queue: oldest first, in the company that the cost model lets join."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import numpy as np
from drawn import examples
from hypothesis import given
from hypothesis import strategies as st

from service.batching.cost_model import CostModel
from service.batching.length_queue import LengthQueue, length_class
from service.batching.partition import BatchLimits
from service.batching.ticket import Ticket

NO_LIMITS = BatchLimits(1000, 1 << 30)

prices = st.tuples(*[st.sampled_from([0.0, 1e-7, 1e-5, 1e-3])] * 3).filter(any)
lengths_lists = st.lists(st.integers(1, 3000), min_size=1, max_size=60)


def priced(price: tuple[float, float, float]) -> CostModel:
    cost = CostModel()
    cost.call_s, cost.step_s, cost.row_step_s = price
    return cost


def ticket_of(steps: int, arrived_s: float = 0.0, is_abandoned=None) -> Ticket:
    future = asyncio.Future(loop=_LOOP)
    return Ticket(np.zeros((steps, 1), np.float32), None, future, arrived_s, is_abandoned)


# Futures need a loop to belong to; nothing runs on this one.
_LOOP = asyncio.new_event_loop()
_LOOP.close()


def queue_of(lengths: list[int], price=(1e-4, 1e-5, 1e-6), limits: BatchLimits = NO_LIMITS):
    cost = priced(price)
    queue = LengthQueue(lambda: cost, lambda: limits)
    tickets = [ticket_of(steps) for steps in lengths]
    for ticket in tickets:
        queue.add(ticket)
    return queue, tickets


def batches_of(queue: LengthQueue, now_s: float = 0.0) -> Iterator[list[Ticket]]:
    while batch := queue.take(now_s):
        yield batch


def seconds(cost: CostModel, batch: list[int]) -> float:
    return cost.seconds(len(batch), max(batch))


def partitions(items: list[int]) -> Iterator[list[list[int]]]:
    """Every way to cut a set into batches."""
    if not items:
        yield []
        return
    first, rest = items[0], items[1:]
    for partition in partitions(rest):
        yield [[first], *partition]
        for index in range(len(partition)):
            yield [*partition[:index], [first, *partition[index]], *partition[index + 1 :]]


@given(lengths_lists, prices, st.integers(1, 9), st.integers(1, 5000))
def test_every_batch_has_the_oldest_ticket_keeps_the_limits_and_takes_each_ticket_once(
    lengths, price, max_rows, max_row_steps
):
    queue, tickets = queue_of(lengths, price, BatchLimits(max_rows, max_row_steps))
    taken = []
    for batch in batches_of(queue):
        oldest = next(ticket for ticket in tickets if ticket not in taken)
        assert oldest in batch
        assert len(batch) <= max_rows
        assert len(batch) == 1 or len(batch) * max(ticket.steps for ticket in batch) <= max_row_steps
        taken += batch
    assert len(taken) == len(tickets)
    assert set(taken) == set(tickets)
    assert (queue.work.rows, queue.work.bytes) == (0, 0)


@given(st.lists(st.integers(1, 16), min_size=1, max_size=6), prices)
@examples(60)
def test_small_sets_are_cut_as_cheaply_as_any_cut_there_is(lengths, price):
    cost = priced(price)
    cheapest = min(sum(seconds(cost, batch) for batch in cut) for cut in partitions(lengths))
    queue, _ = queue_of(lengths, price)
    found = sum(seconds(cost, [ticket.steps for ticket in batch]) for batch in batches_of(queue))
    assert found <= cheapest * (1 + 1e-9)


@given(lengths_lists, prices)
def test_the_cut_is_never_dearer_than_one_batch_of_all_nor_than_one_by_one(lengths, price):
    cost = priced(price)
    queue, _ = queue_of(lengths, price)
    found = sum(seconds(cost, [ticket.steps for ticket in batch]) for batch in batches_of(queue))
    # The cut is chosen on length classes, each up to an eighth longer than what is in it.
    classes = [length_class(steps) for steps in lengths]
    assert found <= seconds(cost, classes) * (1 + 1e-9)
    assert found <= sum(cost.seconds(1, steps) for steps in classes) * (1 + 1e-9)


@given(st.lists(st.lists(st.integers(1, 400), max_size=8), max_size=12), prices)
def test_nobody_is_overtaken_for_ever_while_others_keep_arriving(waves, price):
    queue, tickets = queue_of([200], price, BatchLimits(4, 800))
    first = tickets[0]
    taken = queue.take(0.0)
    assert first in taken
    for wave in waves:
        waiting = [ticket_of(steps) for steps in wave]
        for ticket in waiting:
            queue.add(ticket)
        tickets += waiting
        oldest = next((ticket for ticket in tickets if ticket not in taken), None)
        batch = queue.take(0.0)
        assert (oldest is None) == (not batch)
        assert oldest is None or oldest in batch
        taken += batch


def test_a_length_class_spans_at_most_an_eighth_of_its_length():
    for steps in range(1, 40_000):
        longest = length_class(steps)
        assert steps <= longest <= steps * 1.125 + 1e-9
        assert length_class(longest) == longest


def test_settled_tickets_are_dropped_and_do_not_use_up_rows():
    queue, tickets = queue_of([5] * 6, limits=BatchLimits(3, 1000))
    for ticket in tickets[:3]:
        ticket.future.cancel()
    assert queue.take(0.0) == tickets[3:]


def test_a_queue_of_settled_tickets_is_an_empty_queue():
    queue, tickets = queue_of([5, 900, 20])
    for ticket in tickets:
        ticket.future.cancel()
    assert queue.take(0.0) == []
    assert queue.work.rows == 0


def test_a_caller_is_asked_whether_it_is_there_only_after_a_wait():
    queue, _ = queue_of([])
    asked = []
    patient = ticket_of(5, arrived_s=0.0, is_abandoned=lambda: bool(asked.append("patient")))
    queue.add(patient)
    assert queue.take(0.001) == [patient]
    assert not asked
    late = ticket_of(5, arrived_s=0.0, is_abandoned=lambda: not asked.append("late"))
    queue.add(late)
    assert queue.take(5.0) == []
    assert asked == ["late"]
    assert late.is_settled


@given(st.integers(1, 400), st.integers(1, 500), prices, st.integers(1, 64))
def test_the_predicted_time_of_like_sequences_is_what_their_batches_cost(rows, steps, price, max_rows):
    limits, cost = BatchLimits(max_rows, 1 << 30), priced(price)
    queue, _ = queue_of([steps] * rows, price, limits)
    foretold_s = queue.work.seconds(cost, limits)
    taken_s = sum(seconds(cost, [ticket.steps for ticket in batch]) for batch in batches_of(queue))
    # The last batch may not be full.
    assert taken_s - cost.seconds(max_rows, steps) <= foretold_s <= taken_s * (1 + 1e-9)
    assert queue.work.seconds(cost, limits) == 0


@given(st.lists(st.tuples(st.integers(1, 300), st.integers(1, 9)), min_size=1, max_size=40), st.data())
def test_whoever_leaves_and_goes_what_is_counted_is_what_waits(arrivals, data):
    queue, _ = queue_of([], limits=BatchLimits(4, 600))
    waiting = []
    for steps, priority in arrivals:
        ticket = ticket_of(steps)
        ticket.level = priority
        queue.add(ticket)
        waiting.append(ticket)
        if data.draw(st.booleans()):
            leaving = list(queue.less_urgent(priority))[:2]
            assert all(ticket.level > priority for ticket in leaving)
            queue.remove(leaving)
            waiting = [ticket for ticket in waiting if ticket not in leaving]
        if data.draw(st.booleans()) and waiting:
            batch = queue.take(0.0)
            first = min(waiting, key=lambda ticket: (ticket.level, waiting.index(ticket)))
            assert first in batch
            waiting = [ticket for ticket in waiting if ticket not in batch]
        assert sorted(map(id, queue.waiting())) == sorted(map(id, waiting))
        assert queue.work.rows == len(waiting)
        assert queue.work.bytes == sum(ticket.size for ticket in waiting)
