"""The table of sessions with a clock that is turned by hand: order, repeats, expiry, room."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from bench import all_due
from fakes import running_sum
from on_a_loop import on_a_loop
from session_bench import SessionBench

from service.errors import EngineFailed, NotFound, OutOfOrder, SessionExists, SessionGone, TooManySessions
from service.sessions.session import SessionLimits


@on_a_loop
async def test_chunks_of_a_stream_are_the_whole_of_it():
    bench = SessionBench()
    session, steps = bench.sessions.open(rows=2), [bench.steps(20, seed) for seed in (1, 2)]
    outputs = [[], []]
    for start, end in ((0, 1), (1, 9), (9, 20)):
        number, answers = await bench.answers(session, *(whole[start:end] for whole in steps))
        for row, answer in enumerate(answers):
            outputs[row].append(answer.output)
    assert number == session.step == 3
    for whole, parts in zip(steps, outputs, strict=True):
        np.testing.assert_array_equal(np.concatenate(parts), running_sum(whole))


@on_a_loop
async def test_a_step_that_is_sent_again_is_answered_again_and_not_run_again():
    bench = SessionBench()
    session = bench.sessions.open("mine")
    first = await bench.answers(session, bench.steps(3), number=1)
    ran = len(bench.backend.batches)
    assert await bench.answers(session, bench.steps(3), number=1) is not None
    again = await bench.answers(session, bench.steps(3), number=1)
    assert again[0] == 1
    assert again[1] is first[1]
    assert len(bench.backend.batches) == ran
    with pytest.raises(OutOfOrder, match="step: got 3, due is 2"):
        await bench.answers(session, bench.steps(3), number=3)
    with pytest.raises(OutOfOrder, match="step: got 7, due is 1"):
        await bench.answers(bench.sessions.open(), bench.steps(3), number=7)


@on_a_loop
async def test_steps_that_are_sent_without_waiting_run_in_their_order():
    bench = SessionBench()
    session, whole = bench.sessions.open(), bench.steps(12)
    asked = [bench.ask(session, whole[start : start + 3]) for start in range(0, 12, 3)]
    await bench.drain()
    parts = [answers[0].output for _, answers in await asyncio.gather(*asked)]
    np.testing.assert_array_equal(np.concatenate(parts), running_sum(whole))


@on_a_loop
async def test_a_step_that_fails_or_is_given_up_leaves_the_session_where_it_was():
    bench = SessionBench()
    session, whole = bench.sessions.open(), bench.steps(9)
    await bench.answers(session, whole[:3])
    bench.backend.failures_left = 1
    with pytest.raises(EngineFailed):
        await bench.answers(session, whole[3:6])
    given_up = bench.ask(session, whole[3:6])
    await all_due()
    given_up.cancel()
    await bench.drain()
    number, answers = await bench.answers(session, whole[3:9])
    assert number == 2
    np.testing.assert_array_equal(answers[0].output, running_sum(whole)[3:])


@on_a_loop
async def test_one_row_that_fails_moves_none_of_its_session():
    bench = SessionBench()
    session = bench.sessions.open(rows=2)
    good, bad = bench.steps(4, 1), bench.steps(4, 2)
    bad[0, 0] = 77.0
    bench.backend.fails_on = {77.0}
    with pytest.raises(EngineFailed):
        await bench.answers(session, good, bad)
    _, answers = await bench.answers(session, good, good)
    for answer in answers:
        np.testing.assert_array_equal(answer.output, running_sum(good))


@on_a_loop
async def test_a_session_that_ends_while_its_step_runs_tells_so_and_leaves_nothing_to_the_next():
    bench = SessionBench()
    session = bench.sessions.open("mine")
    running = bench.ask(session, bench.steps(5))
    await all_due()
    bench.sessions.close("mine")
    successor = bench.sessions.open("mine")
    await bench.drain()
    with pytest.raises(SessionGone, match="'mine' has ended"):
        await running
    _, answers = await bench.answers(successor, bench.steps(5))
    np.testing.assert_array_equal(answers[0].output, running_sum(bench.steps(5)))


@on_a_loop
async def test_idle_and_old_sessions_end_and_say_why():
    bench = SessionBench(SessionLimits(10, 1 << 20, idle_s=10.0, ttl_s=25.0))
    idle, busy = bench.sessions.open("idle"), bench.sessions.open("busy")
    for _ in range(3):
        bench.clock.advance(7.0)
        await bench.answers(busy, bench.steps(1))
    with pytest.raises(SessionGone, match="'idle' has ended: idle"):
        bench.sessions.find("idle")
    assert not idle.is_open
    bench.clock.advance(7.0)
    with pytest.raises(SessionGone, match="'busy' has ended: ttl"):
        bench.sessions.find("busy")
    assert (len(bench.sessions), bench.batcher.slots.in_use) == (0, 0)
    with pytest.raises(NotFound, match="there is no 'other' here"):
        bench.sessions.find("other")


@on_a_loop
async def test_room_is_bounded_and_who_is_refused_learns_when_there_may_be_some():
    bench = SessionBench(SessionLimits(2, 1 << 20, idle_s=10.0, ttl_s=25.0))
    bench.sessions.open("a")
    bench.clock.advance(4.0)
    bench.sessions.open("b")
    with pytest.raises(SessionExists, match="'a' is open already"):
        bench.sessions.open("a")
    with pytest.raises(TooManySessions, match="2 are open") as refusal:
        bench.sessions.open("c")
    assert refusal.value.retry_after_s == pytest.approx(6.0)
    bench.clock.advance(6.5)
    bench.sessions.open("c")
    small = SessionBench(SessionLimits(10, 3 * bench.batcher.slots.slot_bytes, 10.0, 25.0))
    small.sessions.open(rows=2)
    with pytest.raises(TooManySessions):
        small.sessions.open(rows=2)
    small.sessions.open(rows=1)


@on_a_loop
async def test_an_answer_that_is_kept_keeps_nothing_of_its_neighbours():
    bench = SessionBench()
    several = [bench.sessions.open() for _ in range(8)]
    asked = [bench.ask(session, bench.steps(5, seed)) for seed, session in enumerate(several)]
    await bench.drain()
    await asyncio.gather(*asked)
    for session in several:
        (answer,) = session.answer
        assert answer.output.base is None
        assert answer.states == ()


@on_a_loop
async def test_a_session_does_not_expire_while_its_step_runs():
    bench = SessionBench(SessionLimits(10, 1 << 20, idle_s=10.0, ttl_s=25.0))
    session = bench.sessions.open("slow")
    running = bench.ask(session, bench.steps(5))
    await all_due()
    bench.clock.advance(12.0)
    assert bench.sessions.find("slow") is session
    await bench.drain()
    await running
    assert bench.sessions.find("slow").step == 1


@on_a_loop
async def test_own_sessions_of_requests_do_not_make_clients_ends_forgotten():
    bench = SessionBench()
    bench.sessions.open("talk")
    bench.sessions.close("talk", "replaced")
    for _ in range(5000):
        bench.sessions.discard(bench.sessions.open().id)
    with pytest.raises(SessionGone, match="replaced"):
        bench.sessions.find("talk")
    assert bench.batcher.slots.in_use == 0
