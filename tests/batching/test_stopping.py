"""Stopping: whoever was accepted is waited for, queued, running or about to be run again; nobody else."""

from __future__ import annotations

import asyncio

from bench import Bench, all_due, assert_answered
from on_a_loop import on_a_loop

from service.batching.partition import BatchLimits


@on_a_loop
async def test_who_is_queued_is_waited_for_though_the_running_one_has_left():
    bench = Bench(limits=BatchLimits(1, 1 << 20))
    running, queued = bench.submit(5, 5)
    await all_due()
    running.future.cancel()
    stopping = asyncio.create_task(bench.batcher.stop())
    await all_due()
    assert not stopping.done()
    await bench.drain()
    await stopping
    assert_answered(queued)


@on_a_loop
async def test_who_is_running_is_waited_for():
    bench = Bench()
    (running,) = bench.submit(5)
    await all_due()
    stopping = asyncio.create_task(bench.batcher.stop())
    await all_due()
    assert not stopping.done()
    await bench.drain()
    await stopping
    assert_answered(running)


@on_a_loop
async def test_an_engine_that_hangs_with_what_nobody_waits_for_holds_nothing_up():
    bench = Bench()
    (ticket,) = bench.submit(5)
    await all_due()
    ticket.future.cancel()
    await bench.batcher.stop()
    assert bench.hand.pending == 1


@on_a_loop
async def test_who_is_to_be_run_again_in_halves_is_waited_for_at_the_end():
    bench = Bench()
    tickets = bench.submit(5, 5, 5, 5)
    await all_due()
    bench.backend.failures_left = 2
    bench.hand.step()
    stopping = asyncio.create_task(bench.batcher.stop())
    await all_due()
    assert not stopping.done()
    bench.hand.step()
    await all_due()
    tickets[0].future.cancel()
    tickets[1].future.cancel()
    await all_due()
    assert not stopping.done()
    await bench.drain()
    await stopping
    for ticket in tickets[2:]:
        assert_answered(ticket)
