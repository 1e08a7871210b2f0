"""Who is let in, who goes first, until when, and what happens to those who are in when the batcher stops."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from bench import Bench, all_due, assert_answered
from hypothesis import given
from hypothesis import strategies as st
from on_a_loop import on_a_loop

from service.batching.partition import BatchLimits
from service.batching.queue_rules import QueueBounds
from service.batching.scheduler import Least
from service.batching.sequence_batcher import SequenceBatcher
from service.batching.step_batcher import StepBatcher
from service.errors import DeadlineExceeded, DeadlineUnreachable, Overloaded, Unavailable


@on_a_loop
async def test_a_deadline_that_passes_in_the_queue_frees_the_row():
    bench = Bench()
    bench.submit(5)
    await all_due()
    tickets = [bench.ticket(6, timeout_s=1.0), bench.ticket(6, timeout_s=9.0)]
    bench.batcher.submit(tickets)
    bench.clock.advance(2.0)
    assert isinstance(tickets[0].future.exception(), DeadlineExceeded)
    await bench.drain()
    assert_answered(tickets[1])
    assert [batch.tolist() for batch in bench.backend.batches] == [[5], [6]]


@on_a_loop
async def test_a_deadline_that_passes_while_the_batch_runs_is_told_at_once():
    bench = Bench()
    tickets = [bench.ticket(6, timeout_s=1.0), bench.ticket(8)]
    bench.batcher.submit(tickets)
    await all_due()
    bench.clock.advance(2.0)
    assert isinstance(tickets[0].future.exception(), DeadlineExceeded)
    await bench.drain()
    assert_answered(tickets[1])


@on_a_loop
async def test_a_full_queue_refuses_all_of_a_request_and_says_when_to_come_back():
    bench = Bench(bounds=QueueBounds(max_rows=4, max_bytes=1 << 20))
    bench.submit(5)
    await all_due()
    waiting = bench.submit(5, 5, 5)
    with pytest.raises(Overloaded, match="3 sequences wait") as refusal:
        bench.submit(5, 5)
    cost = bench.costs.current()
    assert refusal.value.retry_after_s == pytest.approx(cost.seconds(1, 5) + cost.seconds(3, 5))
    assert bench.batcher.waiting == 3, "all or nothing"
    (last,) = bench.submit(5)
    await bench.drain()
    for ticket in [*waiting, last]:
        assert_answered(ticket)


@on_a_loop
async def test_a_queue_full_of_bytes_refuses_too():
    bench = Bench(bounds=QueueBounds(max_rows=100, max_bytes=800))
    bench.submit(5)
    await all_due()
    bench.submit(60)
    with pytest.raises(Overloaded):
        bench.submit(60)
    bench.submit(40)


@on_a_loop
async def test_callers_that_have_left_take_no_room_in_a_full_queue():
    bench = Bench(bounds=QueueBounds(max_rows=3, max_bytes=1 << 20))
    bench.submit(5)
    await all_due()
    for ticket in bench.submit(5, 5, 5):
        ticket.future.cancel()
    (newcomer,) = bench.submit(5)
    await bench.drain()
    assert_answered(newcomer)


@on_a_loop
async def test_a_request_larger_than_the_bounds_runs_when_nothing_else_waits():
    bench = Bench(bounds=QueueBounds(max_rows=2, max_bytes=10))
    tickets = bench.submit(5, 6, 7, 8)
    await bench.drain()
    for ticket in tickets:
        assert_answered(ticket)


@on_a_loop
async def test_what_cannot_be_answered_in_time_on_the_engine_in_use_is_refused_at_once():
    bench = Bench(limits=BatchLimits(1, 1 << 20))
    bench.submit(5)
    await all_due()
    cost = bench.costs.current()
    cost.call_s, cost.step_s, cost.row_step_s = 1e-3, 0.0, 0.0
    bench.submit(*[5] * 10)
    # As when a slower engine stands in.
    cost.call_s = 0.2
    with pytest.raises(
        DeadlineUnreachable, match=r"timeout: 1 s are left, the answer is expected in 2\.2 s"
    ) as refusal:
        bench.batcher.submit([bench.ticket(5, timeout_s=1.0)])
    assert refusal.value.retry_after_s == pytest.approx(1.2, abs=1e-3)
    bench.batcher.submit([bench.ticket(5, timeout_s=2.3)])
    assert bench.batcher.waiting == 11


@on_a_loop
async def test_an_idle_engine_doubts_no_deadline():
    bench = Bench()
    bench.costs.current().call_s = 60.0
    hopeful = bench.ticket(5, timeout_s=1e-3)
    bench.batcher.submit([hopeful])
    await bench.drain()
    assert_answered(hopeful)


@on_a_loop
async def test_those_who_gave_up_count_for_nothing_when_a_deadline_is_weighed():
    bench = Bench(limits=BatchLimits(1, 1 << 20))
    bench.submit(5)
    await all_due()
    bench.costs.current().call_s = 0.1
    for ticket in bench.submit(*[5] * 10):
        ticket.future.cancel()
    (ticket,) = tickets = [bench.ticket(5, timeout_s=0.5)]
    bench.batcher.submit(tickets)
    await bench.drain()
    assert_answered(ticket)


@on_a_loop
async def test_the_most_urgent_run_first_and_the_others_in_order_of_arrival():
    bench = Bench(limits=BatchLimits(1, 1 << 20))
    bench.submit(5)
    await all_due()
    for priority in (5, 9, 1, 5, 1, 3):
        bench.batcher.submit([bench.ticket(5, priority=priority)])
    await bench.drain()
    assert [int(names[0]) for names in bench.backend.names] == [0, 3, 5, 6, 1, 4, 2]


@on_a_loop
async def test_the_urgent_take_the_room_of_the_least_urgent_who_came_last():
    bench = Bench(bounds=QueueBounds(max_rows=4, max_bytes=1 << 20))
    bench.submit(5)
    await all_due()
    waiting = [bench.ticket(5, priority=priority) for priority in (5, 7, 7, 5)]
    for ticket in waiting:
        bench.batcher.submit([ticket])
    with pytest.raises(Overloaded):
        bench.batcher.submit([bench.ticket(5, priority=7)])
    urgent = [bench.ticket(5, priority=5)]
    bench.batcher.submit(urgent)
    refusal = waiting[2].future.exception()
    assert isinstance(refusal, Overloaded)
    assert refusal.retry_after_s > 0
    with pytest.raises(Overloaded):
        bench.batcher.submit([bench.ticket(5, priority=6) for _ in range(2)])
    assert bench.batcher.waiting == 4
    await bench.drain()
    for ticket in (waiting[0], waiting[1], waiting[3], *urgent):
        assert_answered(ticket)


@on_a_loop
async def test_foretold_waits_follow_experience():
    """The engine takes three times as long as its cost model says, and the model is kept from learning it."""
    bench = Bench(limits=BatchLimits(1, 1 << 20), bounds=QueueBounds(6, 1 << 20))
    cost = bench.costs.current()
    cost.observe = lambda *_: None
    cost.call_s, cost.step_s, cost.row_step_s = 1.0, 0.0, 0.0
    bench.submit(5)
    await all_due()
    for _ in range(40):
        while bench.batcher.waiting < 6:
            bench.submit(5)
        bench.clock.advance(3.0)
        bench.hand.step()
        await all_due()
    bench.submit(5)
    with pytest.raises(Overloaded) as refusal:
        bench.submit(5)
    assert refusal.value.retry_after_s == pytest.approx(3.0 * (6 + 1), rel=0.15)


@on_a_loop
async def test_after_one_bad_moment_deadlines_that_can_be_met_are_believed_again():
    bench = Bench(limits=BatchLimits(2, 1 << 20))
    cost = bench.costs.current()
    cost.observe = lambda *_: None
    cost.call_s, cost.step_s, cost.row_step_s = 0.05, 0.0, 0.0
    for _ in range(6):
        bench.submit(5)
    await all_due()
    bench.clock.advance(30.0)
    await bench.drain()

    async def is_believed() -> bool:
        bench.submit(5)
        await all_due()
        bench.submit(5)
        try:
            bench.batcher.submit([bench.ticket(5, timeout_s=0.3)])
        except DeadlineUnreachable:
            return False
        finally:
            await bench.drain()
        return True

    assert not await is_believed()
    bench.clock.advance(11.0)
    assert await is_believed()


@on_a_loop
async def test_what_was_predicted_too_long_does_not_add_up_while_the_engine_is_busy():
    bench = Bench(limits=BatchLimits(1, 1 << 20))
    cost = bench.costs.current()
    cost.observe = lambda *_: None
    cost.call_s, cost.step_s, cost.row_step_s = 0.012, 0.0, 0.0
    bench.submit(5)
    await all_due()
    for _ in range(200):
        bench.submit(5)
        bench.clock.advance(0.010)
        bench.hand.step()
        await all_due()
    bench.submit(5)
    (hurried,) = tickets = [bench.ticket(5, timeout_s=0.1)]
    bench.batcher.submit(tickets)
    await bench.drain()
    assert_answered(hurried)


@on_a_loop
async def test_stopping_answers_everyone_and_then_refuses():
    bench = Bench(limits=BatchLimits(2, 100))
    tickets = bench.submit(5, 6, 7, 8, 9)
    await all_due()
    stopping = asyncio.create_task(bench.batcher.stop())
    await all_due()
    assert not stopping.done()
    with pytest.raises(Unavailable, match="draining"):
        bench.submit(5)
    await bench.drain()
    await stopping
    for ticket in tickets:
        assert_answered(ticket)


@on_a_loop
async def test_stopping_an_idle_batcher_ends_at_once():
    await Bench().batcher.stop()


@pytest.mark.parametrize("kind", [SequenceBatcher, StepBatcher])
@given(
    waiting=st.lists(st.integers(1, 4), min_size=3, max_size=4)
    | st.lists(st.integers(1, 300), min_size=3, max_size=8),
    steps=st.integers(1, 300),
    more=st.lists(st.integers(0, 100), max_size=3),
    known=st.floats(0, 1),
)
@on_a_loop
async def test_who_is_refused_by_the_least_he_asks_for_is_refused_for_what_he_asks(
    kind, waiting, steps, more, known
):
    bench = Bench(limits=BatchLimits(2, 1 << 20), kind=kind)
    cost = bench.costs.current()
    cost.call_s, cost.step_s, cost.row_step_s = 1e-3, 1e-3, 1e-4
    bench.submit(*waiting)
    await all_due()
    rows = 1 + len(more)
    less, least = Least(rows, int(known * steps)), Least(rows, steps)

    def enough_s(ask) -> float:
        """The shortest time with which one is let in, of some that are a twentieth apart."""
        for timeout_s in 0.001 * 1.05 ** np.arange(200):
            try:
                ask(float(timeout_s))
            except Overloaded:
                continue
            return float(timeout_s)
        raise AssertionError

    by_less_s = enough_s(lambda timeout_s: bench.batcher.check_room(timeout_s, less))
    by_least_s = enough_s(lambda timeout_s: bench.batcher.check_room(timeout_s, least))
    alike_s = enough_s(lambda timeout_s: bench.batcher.submit([bench.ticket(steps, timeout_s=timeout_s)]))
    assert by_less_s <= by_least_s
    if not more:
        assert by_least_s == alike_s
        return
    by_least_s = enough_s(lambda timeout_s: bench.batcher.check_room(timeout_s, least))
    read_s = enough_s(
        lambda timeout_s: bench.batcher.submit(
            [bench.ticket(steps + extra, timeout_s=timeout_s) for extra in (0, *more)]
        )
    )
    assert by_least_s <= read_s
