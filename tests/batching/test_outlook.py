"""What newcomers to the carousel have before them, between two of its ticks."""

from __future__ import annotations

import pytest
from bench import Bench, all_due
from on_a_loop import on_a_loop

from service.batching.partition import BatchLimits
from service.batching.step_batcher import StepBatcher
from service.errors import DeadlineUnreachable


def carousel(seats: int) -> Bench:
    return Bench(kind=StepBatcher, limits=BatchLimits(seats, 1 << 20))


@on_a_loop
async def test_an_engine_lost_in_the_middle_of_a_tick_counts_from_the_next_who_comes():
    bench = carousel(seats=1)
    fast, slow = bench.costs.of("fast"), bench.costs.of("slow")
    fast.call_s, fast.step_s, fast.row_step_s = 1e-4, 1e-6, 1e-8
    slow.call_s, slow.step_s, slow.row_step_s = 1e-2, 1e-3, 1e-4
    in_use = "fast"
    bench.costs._in_use = lambda: in_use
    bench.submit(1000)
    await all_due()
    bench.batcher.submit([bench.ticket(100, timeout_s=0.5)])
    in_use = "slow"
    with pytest.raises(DeadlineUnreachable):
        bench.batcher.check_room(timeout_s=0.5)
    with pytest.raises(DeadlineUnreachable):
        bench.batcher.submit([bench.ticket(100, timeout_s=0.5)])
    in_use = "fast"
    bench.batcher.submit([bench.ticket(100, timeout_s=0.5)])


@on_a_loop
async def test_a_carousel_that_fills_up_in_the_middle_of_a_tick_foretells_longer_ones():
    bench = carousel(seats=4)
    cost = bench.costs.current()
    cost.call_s, cost.step_s, cost.row_step_s = 5e-3, 1e-5, 1e-6
    bench.submit(10)
    await all_due()
    late = {"steps": 3000, "timeout_s": 0.06}
    bench.submit(1)
    with pytest.raises(DeadlineUnreachable):
        bench.batcher.submit([bench.ticket(**late)])
    for _ in range(6):
        bench.submit(1)
    bench.batcher.submit([bench.ticket(**late)])


@on_a_loop
async def test_a_tick_that_ended_is_before_nobody():
    bench = carousel(seats=1)
    cost = bench.costs.current()
    cost.call_s, cost.step_s, cost.row_step_s = 0.0, 1e-3, 0.0
    cost.observe = lambda *_: None
    bench.batcher._lookout.max_tick_s = 0.1
    bench.submit(250)
    await all_due()
    foretold_s = []
    for _ in range(3):
        (short,) = bench.submit(1)
        foretold_s.append(short.foretold_s)
        # A tick of the long one, and that of the short one, which goes before the next.
        for _ in range(2):
            bench.hand.step()
            await all_due()
    assert foretold_s == pytest.approx([0.251, 0.151, 0.051])


@on_a_loop
async def test_whoever_is_short_is_let_in_beside_long_ones_and_is_in_time():
    bench = carousel(seats=4)
    cost = bench.costs.current()
    cost.call_s, cost.step_s, cost.row_step_s = 1e-4, 1e-5, 1e-6
    cost.observe = lambda *_: None
    long = bench.submit(100_000, 100_000)
    await all_due()
    with pytest.raises(DeadlineUnreachable):
        bench.batcher.submit([bench.ticket(20_000, timeout_s=0.3)])
    short = bench.ticket(10, timeout_s=0.02)
    bench.batcher.check_room(timeout_s=0.02)
    bench.batcher.submit([short])
    waited_s = 0.0
    while not short.is_settled:
        ran = len(bench.backend.batches)
        bench.hand.step()
        await all_due()
        waited_s += sum(cost.seconds(len(batch), int(batch.max())) for batch in bench.backend.batches[ran:])
    assert waited_s < 0.02
    assert short.foretold_s < 0.02
    assert not any(ticket.is_settled for ticket in long)


@on_a_loop
async def test_whoever_finds_no_seat_waits_for_those_who_ride():
    bench = carousel(seats=2)
    cost = bench.costs.current()
    cost.call_s, cost.step_s, cost.row_step_s = 1e-4, 1e-5, 1e-6
    bench.submit(100_000, 100_000)
    await all_due()
    with pytest.raises(DeadlineUnreachable):
        bench.batcher.submit([bench.ticket(10, timeout_s=0.02)])


@on_a_loop
async def test_what_a_long_tick_has_run_is_before_nobody():
    bench = carousel(seats=1)
    bench.backend.can_break = True
    cost = bench.costs.current()
    cost.call_s, cost.step_s, cost.row_step_s = 1e-3, 1e-3, 0.0
    bench.batcher._lookout.max_tick_s = 0.1
    bench.submit(400)
    await all_due()
    for _ in range(3):
        bench.hand.step()
    (short,) = bench.submit(1)
    # Pieces of 99 steps, which is what a tick holds.
    assert short.foretold_s == pytest.approx(2e-3 + 0.104)


@on_a_loop
async def test_those_who_are_less_urgent_are_not_in_the_way():
    bench = carousel(seats=8)
    cost = bench.costs.current()
    cost.call_s, cost.step_s, cost.row_step_s = 0.0, 0.0, 1e-4
    # The first rides alone: rows do not make each other cheaper here.
    for priority in (1, 1, 2, 2):
        bench.batcher.submit([bench.ticket(10_000, priority=priority)])
    await all_due()
    urgent, ordinary = bench.ticket(100, priority=1), bench.ticket(100, priority=2)
    bench.batcher.submit([urgent])
    bench.batcher.submit([ordinary])
    # The end of a tick, as many steps of those beside them, and their own.
    assert urgent.foretold_s == pytest.approx(0.005 + 2 * 0.01 + 0.01)
    assert ordinary.foretold_s == pytest.approx(0.005 + 5 * 0.01 + 0.01)
