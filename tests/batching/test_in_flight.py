"""An engine that takes two batches: a full one follows at once, one that could still grow waits."""

from __future__ import annotations

import pytest
from bench import Bench, all_due, assert_answered
from fakes import RunningSumBackend
from on_a_loop import on_a_loop

from service.backends.protocol import Capability
from service.batching.partition import BatchLimits
from service.domain.signature import Readout


class TwoAtOnce(RunningSumBackend):
    @property
    def capability(self) -> Capability:
        return Capability("gpu", engine="tensorrt", in_flight=2)


def bench_of_two() -> Bench:
    bench = Bench(limits=BatchLimits(4, 1 << 20))
    bench.hand._backend = bench.backend = TwoAtOnce(Readout.LAST)
    return bench


@on_a_loop
async def test_a_full_batch_follows_while_the_first_runs_and_a_third_waits():
    bench = bench_of_two()
    tickets = bench.submit(*[5] * 12)
    await all_due()
    assert (bench.hand.pending, bench.batcher.waiting) == (2, 4)
    bench.hand.step()
    assert (bench.hand.pending, bench.batcher.waiting) == (2, 0)
    await bench.drain()
    assert [len(batch) for batch in bench.backend.batches] == [4, 4, 4]
    for ticket in tickets:
        assert_answered(ticket)


@on_a_loop
async def test_a_batch_that_may_still_get_company_waits():
    bench = bench_of_two()
    bench.submit(5)
    await all_due()
    bench.submit(5, 5, 5)
    await all_due()
    assert (bench.hand.pending, bench.batcher.waiting) == (1, 3)
    bench.submit(5)
    await all_due()
    assert (bench.hand.pending, bench.batcher.waiting) == (2, 0)


@on_a_loop
async def test_what_a_batch_took_is_learned_for_the_engine_that_ran_it():
    bench = bench_of_two()
    bench.costs._in_use = lambda: "onnxruntime"
    bench.submit(5)
    await all_due()
    bench.clock.advance(0.5)
    await bench.drain()
    assert [observed[:2] for observed in bench.costs.of("tensorrt")._recent] == [(1, 5)]
    assert bench.costs.of("tensorrt")._beside_s.pop() == pytest.approx(0.5 - 0.001)
    assert not bench.costs.of("onnxruntime")._recent
