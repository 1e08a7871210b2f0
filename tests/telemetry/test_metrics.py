"""Every metric counts what it says."""

from __future__ import annotations

import asyncio

import pytest
from bench import Bench, all_due
from doors import DOORS, FINE
from memory_server import MemoryServer
from on_a_loop import on_a_loop
from session_bench import SessionBench

from service.batching.partition import BatchLimits
from service.batching.step_batcher import StepBatcher
from service.sessions.ended import MOVED

SUMS = {"model": "sums", "version": "1"}
ON_FAKE = SUMS | {"device": "fake"}


@on_a_loop
async def test_a_batch_counts_its_sequences_its_steps_and_its_padding():
    bench = Bench()
    bench.submit(3, 9, 5)
    await bench.drain()
    assert bench.metric("sequences_total", **ON_FAKE) == 3
    assert bench.metric("steps_total", **ON_FAKE) == 3 + 9 + 5
    assert bench.metric("padded_steps_total", **ON_FAKE) == 6 + 0 + 4
    assert bench.metric("batch_rows_count", **ON_FAKE) == 1
    assert bench.metric("batch_rows_sum", **ON_FAKE) == 3
    assert bench.metric("sequence_steps_count", **SUMS) == 3
    assert bench.metric("sequence_steps_sum", **SUMS) == 3 + 9 + 5
    assert bench.metric("compute_seconds_count", **ON_FAKE) == 1
    assert bench.metric("compute_seconds_sum", **ON_FAKE) == pytest.approx(0.001)


@on_a_loop
async def test_each_sequence_s_wait_is_counted_from_its_arrival_to_its_start():
    bench = Bench()
    bench.submit(5)
    await all_due()
    bench.submit(5, 5)
    bench.clock.advance(2.0)
    await bench.drain()
    assert bench.metric("queue_seconds_count", **SUMS) == 3
    assert bench.metric("queue_seconds_sum", **SUMS) == pytest.approx(2 * 2.0)


@on_a_loop
async def test_failed_and_repeated_runs_count_each_sequence_once_and_failures_not_at_all():
    bench = Bench()
    bench.backend.fails_on = {1.0}
    bench.submit(4, 4, 4, 4)
    await bench.drain()
    assert bench.metric("sequences_total", **ON_FAKE) == 3
    assert bench.metric("steps_total", **ON_FAKE) == 12


@on_a_loop
async def test_what_was_computed_is_counted_whether_or_not_somebody_still_wants_it():
    bench = Bench()
    bench.backend.nan_on = {1.0}
    tickets = bench.submit(4, 4, 4)
    await all_due()
    tickets[2].future.cancel()
    await bench.drain()
    assert bench.metric("sequences_total", **ON_FAKE) == 3
    assert bench.metric("steps_total", **ON_FAKE) == 12


@on_a_loop
async def test_a_caller_that_left_before_its_batch_is_not_counted():
    bench = Bench()
    bench.submit(4, 4)[0].future.cancel()
    await bench.drain()
    assert bench.metric("sequences_total", **ON_FAKE) == 1


@on_a_loop
async def test_full_batches_are_counted_one_by_one():
    bench = Bench(limits=BatchLimits(4, 1 << 20))
    bench.submit(*[5] * 10)
    await bench.drain()
    assert bench.metric("batch_rows_count", **ON_FAKE) == 3
    assert bench.metric("batch_rows_sum", **ON_FAKE) == 10
    assert bench.metric("padded_steps_total", **ON_FAKE) == 0


@on_a_loop
async def test_requests_are_timed_when_they_are_answered_and_waiting_ones_are_seen():
    async with MemoryServer() as server:
        running = await server.hold()
        waiting = asyncio.create_task(server.post(DOORS["predict"].format("sums"), FINE["predict"]))
        while not server.metric("waiting_sequences", **SUMS):
            await all_due()
        assert server.metric("waiting_sequences", **SUMS) == 1
        assert server.metric("request_seconds_count", **SUMS) == 0
        server.backends["sums"].gate.set()
        await asyncio.gather(running, waiting)
        assert server.metric("waiting_sequences", **SUMS) == 0
        assert server.metric("request_seconds_count", **SUMS) == 2


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        ("/predict/sums", b"{", "invalid"),
        ("/predict/sums", b'{"sequence": [[1, 1e39]]}', "invalid"),
        ("/predict/nobody", b"{}", "not_found"),
        ("/nowhere", b"{}", "not_found"),
        ("/metrics", b"{}", "method"),
        ("/predict/sums", b" " * 2000, "too_large"),
        ("/predict/sums", b'{"sequence": [[0, 1], [0, 1], [0, 1], [0, 1]]}', "too_large"),
        ("/predict/sums", b'{"sequence": [[6, 1]]}', "engine_failed"),
    ],
)
@on_a_loop
async def test_each_refusal_is_counted_once_under_its_reason(path, body, reason):
    async with MemoryServer(max_body_bytes=1000, max_sequence_steps=3) as server:
        server.backends["sums"].fails_on = {6.0}
        await server.post(path, body)
        family = next(f for f in server.carousel.metrics.registry.collect() if f.name == "carousel_rejected")
        counts = {s.labels["reason"]: s.value for s in family.samples if s.value and "_created" not in s.name}
        assert counts == {reason: 1}


@on_a_loop
async def test_readiness_is_a_metric_too():
    async with MemoryServer() as server:
        assert server.metric("ready") == 1
        server.carousel.drain()
        assert server.metric("ready") == 0


@on_a_loop
async def test_an_unforeseen_failure_is_counted_and_told_without_its_words():
    async with MemoryServer() as server:
        server.carousel.registry.find = None
        refusal = await server.post("/predict/sums", FINE["predict"])
        assert refusal.status_code == 500
        assert refusal.json() == {"error": "internal error: see the server's log for this request id"}
        assert server.metric("rejected_total", reason="internal") == 1


@on_a_loop
async def test_a_turn_of_the_carousel_counts_the_steps_of_its_longest_row():
    bench = Bench(kind=StepBatcher)
    bench.submit(3, 9)
    await bench.drain()
    assert bench.metric("tick_steps_count", **ON_FAKE) == len(bench.backend.batches)
    assert bench.metric("tick_steps_sum", **ON_FAKE) == sum(
        lengths.max() for lengths in bench.backend.batches
    )
    assert bench.metric("batch_rows_sum", **ON_FAKE) == sum(map(len, bench.backend.batches))


@on_a_loop
async def test_a_session_tells_its_pauses_and_at_its_end_its_age_and_steps():
    bench = SessionBench()
    session = bench.sessions.open(rows=2)
    for _ in range(3):
        await bench.answers(session, bench.steps(4), bench.steps(1))
        bench.clock.advance(2.0)
    assert bench.session_metric("session_idle_seconds_count", **SUMS) == 2
    assert bench.session_metric("session_idle_seconds_sum", **SUMS) == 4.0
    assert bench.session_metric("session_state_bytes", **SUMS, tier="host") == 2 * 8
    assert bench.session_metric("session_age_seconds_count", **SUMS) == 0
    session.steps_run = 15
    bench.sessions.close(session.id)
    assert bench.session_metric("session_age_seconds_sum", **SUMS) == 6.0
    assert bench.session_metric("session_steps_sum", **SUMS) == 15
    bench.sessions.end(bench.sessions.open(), MOVED)
    assert bench.session_metric("session_age_seconds_count", **SUMS) == 1
