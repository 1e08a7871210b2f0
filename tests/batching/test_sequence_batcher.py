"""The batcher, stepped by hand: who runs when, and what becomes of everyone's neighbours."""

from __future__ import annotations

import pytest
from bench import Bench, all_due, assert_answered
from on_a_loop import on_a_loop

from service.batching.partition import BatchLimits
from service.domain.signature import Readout


@on_a_loop
async def test_a_lone_request_on_an_idle_engine_runs_at_once_and_alone():
    bench = Bench()
    (ticket,) = bench.submit(7)
    await all_due()
    assert bench.hand.pending == 1
    assert bench.batcher.waiting == 0
    bench.hand.step()
    assert_answered(ticket)


@on_a_loop
async def test_requests_that_arrive_together_share_a_batch():
    bench = Bench()
    tickets = bench.submit(7) + bench.submit(7) + bench.submit(7)
    await bench.drain()
    assert [len(batch) for batch in bench.backend.batches] == [3]
    for ticket in tickets:
        assert_answered(ticket)


@on_a_loop
async def test_what_arrives_while_the_engine_is_busy_is_the_next_batch():
    bench = Bench()
    bench.submit(7)
    await all_due()
    late = bench.submit(6, 7) + bench.submit(8)
    await all_due()
    assert bench.hand.pending == 1
    assert bench.batcher.waiting == 3
    bench.hand.step()
    assert bench.hand.pending == 1, "the engine has its next batch before the first is handed out"
    await bench.drain()
    assert [sorted(batch.tolist()) for batch in bench.backend.batches] == [[7], [6, 7, 8]]
    for ticket in late:
        assert_answered(ticket)


@on_a_loop
async def test_the_engine_is_never_idle_while_somebody_waits():
    bench = Bench(limits=BatchLimits(2, 16))
    bench.submit(*range(1, 12))
    await all_due()
    while bench.batcher.waiting:
        assert bench.hand.pending == 1
        bench.hand.step()
    assert bench.hand.pending == 1


@pytest.mark.parametrize("readout", Readout)
@pytest.mark.parametrize("moment", ["queued", "running"])
@pytest.mark.parametrize("position", range(5))
@on_a_loop
async def test_a_caller_that_leaves_harms_no_batch_mate(position, moment, readout):
    bench = Bench(readout)
    tickets = bench.submit(3, 9, 5, 9, 4)
    if moment == "running":
        await all_due()
    tickets[position].future.cancel()
    await bench.drain()
    assert tickets[position].future.cancelled()
    for ticket in tickets[:position] + tickets[position + 1 :]:
        assert_answered(ticket)
    after = bench.submit(6)
    await bench.drain()
    assert_answered(after[0])


@on_a_loop
async def test_all_callers_leave_and_the_batcher_goes_on():
    bench = Bench()
    for ticket in bench.submit(3, 4, 5):
        ticket.future.cancel()
    await bench.drain()
    assert bench.backend.batches == []
    (after,) = bench.submit(6)
    await bench.drain()
    assert_answered(after)


@on_a_loop
async def test_states_go_in_with_their_row_and_come_out_with_it():
    bench = Bench()
    first = bench.submit(5, 9, 2)
    await bench.drain()
    second = [bench.ticket(4, state=ticket.future.result().states[0]) for ticket in reversed(first)]
    second.append(bench.ticket(3))
    bench.batcher.submit(second)
    await bench.drain()
    for ticket in second:
        assert_answered(ticket)


@on_a_loop
async def test_an_answer_stays_what_it_was_when_later_batches_run():
    bench = Bench(Readout.EVERY_STEP)
    early = bench.submit(5, 9, 2)
    await bench.drain()
    bench.submit(9, 9, 9)
    await bench.drain()
    for ticket in early:
        assert_answered(ticket)
