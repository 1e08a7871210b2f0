"""Rows, batches and engines that fail: each failure reaches only the caller it belongs to."""

from __future__ import annotations

import dataclasses

import pytest
from bench import Bench, all_due, assert_answered
from fakes import RunningSumBackend
from on_a_loop import on_a_loop

from service.batching.padding import PaddedBuffer
from service.domain.signature import Readout
from service.errors import EngineFailed


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 8])
@on_a_loop
async def test_a_row_that_fails_fails_alone(rows):
    for position in range(rows):
        bench = Bench()
        tickets = bench.submit(*[5] * rows)
        bench.backend.fails_on = {float(position)}
        await bench.drain()
        failure = tickets[position].future.exception()
        assert isinstance(failure, EngineFailed)
        assert failure.message == "the device is on fire"
        for ticket in tickets[:position] + tickets[position + 1 :]:
            assert_answered(ticket)
        # Halving finds one row among n in at most 2 n - 1 runs.
        assert len(bench.backend.batches) <= 2 * rows - 1


class Forgetful(RunningSumBackend):
    """Its results lack the last of several rows, or of several steps."""

    def run(self, batch):
        result = super().run(batch)
        output = result.output[:-1] if len(result.output) > 1 else result.output
        return dataclasses.replace(result, output=output)


@pytest.mark.parametrize("readout", Readout)
@on_a_loop
async def test_a_result_that_lacks_something_is_no_answer(readout):
    bench = Bench(readout)
    bench.hand._backend = Forgetful(readout)
    tickets = bench.submit(1, 5, 6)
    await bench.drain()
    assert_answered(tickets[0])
    for ticket in tickets[1:]:
        if readout is Readout.LAST:
            assert_answered(ticket)
        else:
            assert "is not the batch's" in ticket.future.exception().message


class ScarceMemory(PaddedBuffer):
    """Has room for two rows."""

    def fill(self, tickets):
        if len(tickets) > 2:
            raise MemoryError
        return super().fill(tickets)


@on_a_loop
async def test_a_batch_that_memory_does_not_suffice_for_is_run_in_parts():
    bench = Bench()
    bench.batcher._free_buffers = [ScarceMemory(bench.backend.signature)]
    tickets = bench.submit(5, 6, 7, 8, 9)
    await bench.drain()
    assert max(len(batch) for batch in bench.backend.batches) == 2
    for ticket in tickets:
        assert_answered(ticket)


@on_a_loop
async def test_an_engine_that_fails_once_costs_nobody_an_answer():
    bench = Bench()
    tickets = bench.submit(5, 6, 7)
    bench.backend.failures_left = 1
    await bench.drain()
    for ticket in tickets:
        assert_answered(ticket)


@on_a_loop
async def test_an_engine_that_always_fails_refuses_each_and_is_asked_again_by_the_next():
    bench = Bench()
    tickets = bench.submit(5, 6, 7)
    bench.backend.failures_left = 5
    await bench.drain()
    assert all(isinstance(ticket.future.exception(), EngineFailed) for ticket in tickets)
    (after,) = bench.submit(6)
    await bench.drain()
    assert_answered(after)


@on_a_loop
async def test_who_arrives_during_a_bisection_is_served_after_it():
    bench = Bench()
    tickets = bench.submit(5, 5, 5, 5)
    bench.backend.fails_on = {2.0}
    await all_due()
    bench.hand.step()
    tickets += bench.submit(5)
    await bench.drain()
    assert isinstance(tickets[2].future.exception(), EngineFailed)
    for ticket in tickets[:2] + tickets[3:]:
        assert_answered(ticket)


@pytest.mark.parametrize("readout", Readout)
@on_a_loop
async def test_an_output_that_is_not_finite_fails_its_own_row_only(readout):
    bench = Bench(readout)
    tickets = bench.submit(5, 9, 3)
    bench.backend.nan_on = {1.0}
    await bench.drain()
    with pytest.raises(EngineFailed, match="not finite"):
        tickets[1].future.result()
    assert_answered(tickets[0])
    assert_answered(tickets[2])
