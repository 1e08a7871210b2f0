"""What open sessions may keep in memory: their states, and what each was answered last."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest
from on_a_loop import on_a_loop
from session_bench import SessionBench

from service.errors import BodyTooLarge, TooManySessions
from service.sessions.session import SessionLimits

STEP_BYTES = 8


def bench_of(answer_steps: int, sessions: int = 2) -> SessionBench:
    """Room for the states of so many sessions, and for answers to so many steps."""
    size = sessions * 8 + answer_steps * STEP_BYTES
    return SessionBench(SessionLimits(10, size, idle_s=10.0, ttl_s=1e9))


def kept(bench: SessionBench) -> float:
    return bench.session_metric("session_state_bytes", model="sums", version="1", tier="answers")


@on_a_loop
async def test_last_answers_take_room_until_the_next_or_the_end():
    bench = bench_of(100)
    one, other = bench.sessions.open("one"), bench.sessions.open("other")
    await bench.answers(one, bench.steps(60))
    assert kept(bench) == 60 * STEP_BYTES
    with pytest.raises(TooManySessions, match="and 480 of last answers") as refusal:
        await bench.answers(other, bench.steps(41))
    assert 0 < refusal.value.retry_after_s <= 10.0
    assert (other.step, len(bench.backend.batches)) == (0, 1), "refused before it ran"
    await bench.answers(other, bench.steps(40))
    await bench.answers(one, bench.steps(60))
    await bench.answers(one, bench.steps(1))
    assert kept(bench) == 41 * STEP_BYTES
    bench.sessions.close("other")
    assert kept(bench) == STEP_BYTES
    await bench.answers(one, bench.steps(100))


@on_a_loop
async def test_a_session_that_has_expired_makes_room_for_an_answer():
    bench = bench_of(100)
    one, other = bench.sessions.open("one"), bench.sessions.open("other")
    await bench.answers(one, bench.steps(60))
    bench.clock.advance(6.0)
    await bench.answers(other, bench.steps(1))
    bench.clock.advance(6.0)
    await bench.answers(other, bench.steps(90))
    assert not one.is_open


@on_a_loop
async def test_an_answer_that_there_is_never_room_for_is_refused_for_good():
    bench = bench_of(100, sessions=1)
    session = bench.sessions.open("one")
    with pytest.raises(BodyTooLarge, match=r"its answer has 808 bytes.*at most 800"):
        await bench.answers(session, bench.steps(101))
    await bench.answers(session, bench.steps(100), number=1)
    assert session.step == 1


@on_a_loop
async def test_a_session_that_is_brought_brings_its_answer():
    bench = bench_of(100, sessions=3)
    session = bench.sessions.open("one")
    await bench.answers(session, bench.steps(60))
    snapshot = await bench.sessions.snapshot(session)
    with pytest.raises(TooManySessions):
        bench.sessions.restore(snapshot, "two", "client")
    bench.sessions.restore(snapshot, "one", "client", is_replacing=True)
    assert kept(bench) == 60 * STEP_BYTES
    short = replace(snapshot, answer=(np.zeros((40, 2), np.float32),))
    bench.sessions.restore(short, "two", "client")
    assert kept(bench) == 100 * STEP_BYTES
    bench.sessions.close_all("closed")
    assert kept(bench) == 0


@on_a_loop
async def test_a_branch_keeps_an_answer_too():
    bench = bench_of(100)
    session = bench.sessions.open("one")
    await bench.answers(session, bench.steps(30))
    branch = await asyncio.wait_for(bench.sessions.branch(session), 1)
    assert kept(bench) == 60 * STEP_BYTES
    bench.sessions.discard(branch.id)
    assert kept(bench) == 30 * STEP_BYTES
