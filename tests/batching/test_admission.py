"""Who is let in, until when, and what happens to those who are in when the batcher stops."""

from __future__ import annotations

import asyncio

import pytest
from bench import Bench, all_due, assert_answered
from on_a_loop import on_a_loop

from service.batching.partition import BatchLimits
from service.batching.sequence_batcher import QueueBounds
from service.errors import DeadlineExceeded, Overloaded, Unavailable


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
    assert refusal.value.retry_after_s == pytest.approx(bench.costs.current().seconds(3, 5))
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
async def test_what_would_wait_too_long_on_the_engine_in_use_is_refused():
    limits = BatchLimits(1, 1 << 20)
    bench = Bench(limits=limits, bounds=QueueBounds(max_rows=100, max_bytes=1 << 20, max_seconds=1.0))
    bench.submit(5)
    await all_due()
    cost = bench.costs.current()
    cost.call_s, cost.step_s, cost.row_step_s = 1e-3, 0.0, 0.0
    bench.submit(*[5] * 10)
    # As when a slower engine stands in.
    cost.call_s = 0.2
    with pytest.raises(Overloaded) as refusal:
        bench.submit(5)
    assert refusal.value.retry_after_s == pytest.approx(2.0)
    cost.call_s = 0.1
    bench.submit(5)


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
