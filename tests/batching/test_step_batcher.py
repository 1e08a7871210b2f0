"""The carousel, turned by hand: who rides, how far, and what becomes of everyone's state."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from bench import Bench, all_due, assert_answered
from on_a_loop import on_a_loop

from service.batching.chunk_length import CUT_S
from service.batching.partition import BatchLimits
from service.batching.slot import FRESH
from service.batching.step_batcher import StepBatcher
from service.batching.ticket import Ticket
from service.domain.signature import Readout


def carousel(max_tick_s: float = 0.02, **given) -> Bench:
    bench = Bench(kind=StepBatcher, **given)
    bench.batcher._lookout.max_tick_s = max_tick_s
    cost = bench.costs.current()
    cost.observe = lambda *_: None
    cost.call_s, cost.step_s, cost.row_step_s = 50e-6, 2e-6, 2e-6
    return bench


@on_a_loop
async def test_a_lone_sequence_runs_in_one_piece_and_takes_no_slot():
    bench = carousel()
    (ticket,) = bench.submit(300)
    await all_due()
    assert bench.batcher.slots.in_use == 0
    await bench.drain()
    assert [batch.tolist() for batch in bench.backend.batches] == [[300]]
    assert_answered(ticket)


@on_a_loop
async def test_streams_with_a_step_each_run_as_one_batch():
    bench = carousel()
    states = [np.array([7.0, number], np.float32) for number in range(40)]
    tickets = [bench.ticket(1, state) for state in states]
    for ticket in tickets:
        bench.batcher.submit([ticket])
    await bench.drain()
    assert [len(batch) for batch in bench.backend.batches] == [40]
    for ticket in tickets:
        assert_answered(ticket)


@pytest.mark.parametrize("readout", Readout)
@on_a_loop
async def test_a_short_sequence_waits_for_one_tick_of_the_long_ones_at_most(readout):
    bench = carousel(readout=readout, limits=BatchLimits(8, 1 << 20))
    long = bench.submit(*[1000] * 20)
    await all_due()
    bench.hand.step()
    bench.clock.advance(0.05)
    await all_due()
    (short,) = bench.submit(10)
    ticks = 0
    while not short.is_settled:
        bench.hand.step()
        await all_due()
        ticks += 1
    assert ticks <= 3, "the tick that ran, and its own: cut once at most"
    await bench.drain()
    for ticket in (*long, short):
        assert_answered(ticket)
    assert bench.batcher.slots.in_use == 0


@on_a_loop
async def test_no_tick_is_longer_than_it_may_be():
    bench = carousel()
    bench.submit(*[30_000] * 3)
    await bench.drain()
    steps = [int(batch.max()) for batch in bench.backend.batches]
    assert max(steps) * (2e-6 + 3 * 2e-6) <= 0.02
    assert len(steps) < 20, "nor much shorter"


@on_a_loop
async def test_nobody_stands_for_ever_while_short_ones_keep_coming():
    bench = carousel(0.001, limits=BatchLimits(2, 1 << 20))
    (long,) = bench.submit(1000)
    await all_due()
    turns = 0
    while not long.is_settled:
        bench.submit(5, 5)
        bench.clock.advance(0.001)
        bench.hand.step()
        await all_due()
        turns += 1
        assert turns < 500
    assert_answered(long)


@on_a_loop
async def test_a_rider_who_leaves_frees_seat_and_slot():
    bench = carousel(0.001, limits=BatchLimits(2, 1 << 20))
    long = bench.submit(1000, 1000)
    await all_due()
    bench.hand.step()
    await all_due()
    assert bench.batcher.slots.in_use == 2
    long[0].future.cancel()
    (short,) = bench.submit(4)
    await bench.drain()
    assert_answered(short)
    assert_answered(long[1])
    assert bench.batcher.slots.in_use == 0


@on_a_loop
async def test_a_tick_that_fails_is_run_again_from_the_states_before_it():
    bench = carousel(0.001, readout=Readout.EVERY_STEP)
    tickets = bench.submit(1000, 1000, 40)
    await all_due()
    bench.hand.step()
    await all_due()
    bench.backend.fails_on = {1.0}
    await bench.drain()
    assert_answered(tickets[0])
    assert_answered(tickets[2])
    assert "on fire" in str(tickets[1].future.exception())
    assert bench.batcher.slots.in_use == 0


@on_a_loop
async def test_what_is_counted_of_ticks_and_of_sequences():
    bench = carousel(limits=BatchLimits(2, 1 << 20))
    bench.submit(20_000, 100)
    await bench.drain()
    model = {"model": "sums", "version": "1"}
    on_fake = model | {"device": "fake"}
    assert bench.metric("sequences_total", **on_fake) == 2
    assert bench.metric("steps_total", **on_fake) == 20_100
    assert bench.metric("batch_rows_count", **on_fake) == len(bench.backend.batches) > 2
    assert bench.metric("sequence_steps_sum", **model) == 20_100
    padded = sum(int(batch.max()) * len(batch) - int(batch.sum()) for batch in bench.backend.batches)
    assert bench.metric("padded_steps_total", **on_fake) == padded


@on_a_loop
async def test_live_streams_and_long_requests_share_the_engine_by_weight():
    bench = carousel(0.001, limits=BatchLimits(1, 1 << 20))
    slots, cost = bench.batcher.slots, bench.costs.current()
    streams, finite, seconds = set(), [], {True: 0.0, False: 0.0}
    for _ in range(400):
        waiting = [ticket for ticket in bench.tickets if not ticket.is_settled]
        if sum(ticket.slot is not FRESH for ticket in waiting) < 3:
            ticket = bench.ticket(1)
            streams.add(float(len(bench.tickets) - 1))
            stream = Ticket(ticket.sequence, None, ticket.future, ticket.arrived_s, slot=slots.take())
            bench.tickets[-1] = stream
            bench.batcher.submit([stream])
        if sum(ticket.slot is FRESH for ticket in waiting) < 3:
            finite += bench.submit(700)
        await all_due()
        ran = len(bench.backend.batches)
        bench.hand.step()
        (steps,), (name,) = bench.backend.batches[ran], bench.backend.names[ran]
        seconds[name in streams] += cost.seconds(1, int(steps))
    assert finite[0].is_settled
    # Four to one, but for a tick of the long ones that is under way, and one before the streams had come.
    assert abs(seconds[True] - 4 * seconds[False]) < 2 * 4 * 0.0011
    assert seconds[True] > 0.02


def with_breaks(readout: Readout = Readout.LAST, **given) -> Bench:
    bench = carousel(0.002, readout=readout, **given)
    bench.backend.can_break = True
    return bench


@pytest.mark.parametrize("readout", Readout)
@on_a_loop
async def test_a_lone_long_sequence_is_one_tick_as_long_as_nobody_comes(readout):
    bench = with_breaks(readout)
    (ticket,) = bench.submit(3_001)
    await bench.drain()
    assert len(bench.backend.batches) > 5, "one tick, in pieces"
    on_fake = {"model": "sums", "version": "1", "device": "fake"}
    assert bench.metric("batch_rows_count", **on_fake) == 1
    assert bench.metric("tick_steps_sum", **on_fake) == 3_001
    assert_answered(ticket)
    assert ticket.future.result().compute_s == pytest.approx(0.001 * len(bench.backend.batches))
    assert bench.batcher.slots.in_use == 0


@pytest.mark.parametrize("readout", Readout)
@on_a_loop
async def test_whoever_comes_waits_for_a_piece_of_a_long_tick(readout):
    bench = with_breaks(readout)
    long = bench.submit(3_001, 3_001)
    await all_due()
    for _ in range(3):
        bench.hand.step()
    (short,) = bench.submit(10)
    for _ in range(2):
        bench.hand.step()
        await all_due()
    assert_answered(short)
    assert [len(batch) for batch in bench.backend.batches] == [2, 2, 2, 2, 1]
    assert not any(ticket.is_settled for ticket in long)
    await bench.drain()
    for ticket in long:
        assert_answered(ticket)
    assert bench.batcher.slots.in_use == 0


@on_a_loop
async def test_a_long_tick_ends_at_the_next_break_when_somebody_leaves():
    bench = with_breaks()
    long = bench.submit(3_001, 3_001)
    await all_due()
    bench.hand.step()
    long[0].future.cancel()
    bench.hand.step()
    await bench.drain()
    assert {len(batch) for batch in bench.backend.batches[2:]} == {1}
    assert_answered(long[1])


@on_a_loop
async def test_a_piece_that_fails_takes_nothing_back_of_those_before_it():
    bench = with_breaks(Readout.EVERY_STEP)
    tickets = bench.submit(3_001, 3_001)
    await all_due()
    for _ in range(3):
        bench.hand.step()
    bench.backend.fails_on = {1.0}
    await bench.drain()
    assert_answered(tickets[0])
    assert "on fire" in str(tickets[1].future.exception())
    steps = [
        int(lengths[names.index(0.0)])
        for lengths, names, ran in zip(
            bench.backend.batches, bench.backend.names, bench.backend.succeeded, strict=True
        )
        if ran and 0.0 in names
    ]
    assert sum(steps) == 3_001, "no step is computed twice"


@on_a_loop
async def test_a_second_tick_behind_a_long_one_does_not_wait_for_its_end():
    bench = with_breaks(limits=BatchLimits(4, 1 << 20))
    bench.backend.in_flight = 2
    (long,) = bench.submit(3_001)
    await all_due()
    bench.hand.step()
    short = bench.submit(5, 5, 5, 5)
    await all_due()
    assert bench.hand.pending == 2
    for _ in range(2):
        bench.hand.step()
    await all_due()
    for ticket in short:
        assert_answered(ticket)
    await bench.drain()
    assert_answered(long)


@on_a_loop
async def test_no_tick_is_long_while_states_are_on_a_device():
    bench = with_breaks()
    bench.batcher.slots.resident[60] = object()
    (long,) = bench.submit(3_001)
    await bench.drain()
    on_fake = {"model": "sums", "version": "1", "device": "fake"}
    assert bench.metric("batch_rows_count", **on_fake) == len(bench.backend.batches) > 5
    assert_answered(long)


@on_a_loop
async def test_no_tick_is_long_while_somebody_stands():
    bench = with_breaks(limits=BatchLimits(2, 1 << 20))
    tickets = bench.submit(*[3_001] * 4)
    await all_due()
    for _ in range(4):
        bench.hand.step()
        await all_due()
    ticks = bench.metric("batch_rows_count", model="sums", version="1", device="fake")
    assert ticks == len(bench.backend.batches) == 4
    await bench.drain()
    for ticket in tickets:
        assert_answered(ticket)


@on_a_loop
async def test_no_tick_is_long_while_one_stands_who_has_begun():
    bench = with_breaks(limits=BatchLimits(1, 1 << 20))
    (long,) = bench.submit(3_001)
    await all_due()
    bench.hand.step()
    (short,) = bench.submit(1_500)
    bench.hand.step()
    await all_due()
    before = len(bench.backend.batches)
    ticks_before = bench.metric("batch_rows_count", model="sums", version="1", device="fake")
    while not short.is_settled:
        bench.hand.step()
        await all_due()
    assert bench.backend.names[before] == [1.0], "the short one goes first"
    ticks = bench.metric("batch_rows_count", model="sums", version="1", device="fake") - ticks_before
    assert ticks == len(bench.backend.batches) - before > 2
    await bench.drain()
    assert_answered(long)
    assert_answered(short)


def that_cuts(readout: Readout = Readout.LAST, **given) -> Bench:
    """Where a cut costs nothing."""
    bench = carousel(readout=readout, **given)
    bench.backend.can_break = True
    bench.costs.current().engine_call_s = -CUT_S
    return bench


@pytest.mark.parametrize("readout", Readout)
@on_a_loop
async def test_a_tick_goes_on_without_those_who_have_ended(readout):
    bench, shown, learned = that_cuts(readout), [], []
    bench.costs.current().observe = lambda *batch: learned.append(batch)
    bench.batcher._observer = SimpleNamespace(batch_ended=lambda *batch: shown.append(batch))
    tickets = bench.submit(32, 30, 31, 30, 32)
    await bench.drain()
    for ticket in tickets:
        assert_answered(ticket)
    assert [batch.tolist() for batch in bench.backend.batches] == [[30] * 5, [1] * 3, [1] * 2]
    on_fake = {"model": "sums", "version": "1", "device": "fake"}
    assert bench.metric("batch_rows_count", **on_fake) == 1, "one tick"
    assert bench.metric("steps_total", **on_fake) == 155
    assert bench.metric("padded_steps_total", **on_fake) == 0
    assert [row_steps for _, _, row_steps, *_ in shown] == [155]
    assert tickets[0].future.result().compute_s == pytest.approx(0.003)
    assert bench.batcher.slots.in_use == 0
    ((rows, padded_steps, computed_s, _, calls),) = learned
    assert (rows, padded_steps, calls) == (155 / 32, 32, 3)
    assert computed_s == pytest.approx(0.003)


@pytest.mark.parametrize("readout", Readout)
@on_a_loop
async def test_a_cut_tick_that_fails_behind_a_cut_is_run_again_in_halves(readout):
    bench = that_cuts(readout)
    run, calls = bench.backend.run, iter(range(9))

    def fails_once(batch):
        if next(calls) == 1:
            raise RuntimeError("out of luck")
        return run(batch)

    bench.backend.run = fails_once
    tickets = bench.submit(30, 30, 32)
    await bench.drain()
    assert bench.backend.batches[0].tolist() == [30, 30, 30], "a call that was answered"
    assert len(bench.backend.batches) > 2
    for ticket in tickets:
        assert_answered(ticket)
    on_fake = {"model": "sums", "version": "1", "device": "fake"}
    assert bench.metric("steps_total", **on_fake) == 92
    assert bench.batcher.slots.in_use == 0


@on_a_loop
async def test_no_tick_is_cut_on_an_engine_that_cannot_or_while_states_are_on_a_device():
    for can_break, resident in ((False, {}), (True, {60: object()})):
        bench = that_cuts()
        bench.backend.can_break = can_break
        bench.batcher.slots.resident |= resident
        bench.submit(30, 31)
        await bench.drain()
        assert [batch.tolist() for batch in bench.backend.batches] == [[30, 31]]


@on_a_loop
async def test_what_is_padding_is_zeros_whatever_the_memory_held():
    bench = carousel()
    bench.submit(40, 40, 40)
    await bench.drain()
    seen, run = [], bench.backend.run
    bench.backend.run = lambda batch: (seen.append(batch.sequence.copy()), run(batch))[1]
    bench.submit(30, 32, 31)
    await bench.drain()
    assert [sequence.shape[:2] for sequence in seen] == [(32, 3)]
    # The shortest goes first; a row's own steps have its number in them.
    assert [int(seen[0][:, row, 0].astype(bool).sum()) for row in range(3)] == [30, 31, 32]
    assert not seen[0][30:, 0].any()
    assert not seen[0][31:, 1].any()
