"""One holder at a time, whose steps alone run."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from bench import all_due
from fakes import running_sum
from on_a_loop import on_a_loop
from session_bench import SessionBench

from service.errors import SessionGone, SessionHeld
from service.sessions.hold import Hold
from service.sessions.session import SessionLimits


@on_a_loop
async def test_a_hold_waits_for_the_step_that_runs_and_then_keeps_others_out():
    bench = SessionBench()
    session, whole = bench.sessions.open(), bench.steps(3)
    running = bench.ask(session, whole[:2])
    await all_due()
    hold = Hold(bench.sessions, session, pytest.fail)
    taking = asyncio.create_task(hold.take())
    await all_due()
    assert not hold.is_held
    await bench.drain()
    await taking
    np.testing.assert_array_equal((await running)[1][0].output, running_sum(whole[:2]))
    with pytest.raises(SessionHeld, match="belongs to a stream"):
        await bench.answers(session, whole[2:])
    hold.let_go()
    number, _ = await bench.answers(session, whole[2:])
    assert number == 2


@on_a_loop
async def test_the_next_holder_displaces_the_one_before_who_can_do_nothing_more():
    bench, lost = SessionBench(), []
    session = bench.sessions.open()
    first = Hold(bench.sessions, session, lost.append)
    await first.take()
    second = Hold(bench.sessions, session, lost.append)
    await second.take()
    first.let_go()
    first.end("disconnected")
    assert (lost, session.hold, session.is_open) == (["taken_over"], second, True)
    second.end("closed")
    assert (lost, session.is_open) == (["taken_over"], False)


@on_a_loop
async def test_a_session_that_ends_is_lost_to_its_holder_and_cannot_be_taken():
    bench, lost = SessionBench(), []
    session = bench.sessions.open("talk")
    await Hold(bench.sessions, session, lost.append).take()
    bench.sessions.close("talk", "replaced")
    assert lost == ["replaced"]
    with pytest.raises(SessionGone, match="replaced"):
        await Hold(bench.sessions, session, lost.append).take()


@on_a_loop
async def test_a_session_may_be_idle_for_as_long_again_from_when_it_is_let_go():
    bench, lost = SessionBench(SessionLimits(10, 1 << 20, idle_s=10.0, ttl_s=100.0)), []
    session = bench.sessions.open("talk")
    hold = Hold(bench.sessions, session, lost.append)
    await hold.take()
    bench.clock.advance(8.0)
    hold.let_go()
    bench.clock.advance(8.0)
    assert bench.sessions.find("talk") is session
    await Hold(bench.sessions, session, lost.append).take()
    bench.clock.advance(9.0)
    assert bench.sessions.find("talk") is session, "taking it is a use as well"
    bench.clock.advance(2.0)
    assert (lost, session.is_open) == (["idle"], False)
