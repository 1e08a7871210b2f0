"""From one version's table to the next: no stream is lost, and none is in both."""

from __future__ import annotations

import asyncio
import dataclasses

import numpy as np
import pytest
from bench import all_due
from fakes import running_sum
from on_a_loop import on_a_loop
from session_bench import SessionBench

from service.errors import SessionGone, SnapshotMismatch, Unavailable
from service.sessions.handover import hand_over
from service.sessions.hold import Hold


@on_a_loop
async def test_a_session_whose_step_runs_comes_when_that_is_answered():
    old, new = SessionBench(), SessionBench()
    session, whole = old.sessions.open("talk"), old.steps(9)
    running, queued = (old.ask(session, whole[part]) for part in (slice(0, 4), slice(4, 5)))
    await all_due()
    hand_over(old.sessions, new.sessions)
    waiting = asyncio.create_task(new.sessions.arrival("talk"))
    await all_due()
    assert not waiting.done()
    await old.drain()
    await waiting
    answered = [(await task)[1][0].output for task in (running, queued)]
    _, rest = await new.answers(new.sessions.find("talk"), whole[5:], number=3)
    np.testing.assert_array_equal(np.concatenate([*answered, rest[0].output]), running_sum(whole))
    assert (len(old.sessions), old.batcher.slots.in_use, new.batcher.slots.in_use) == (0, 0, 1)
    with pytest.raises(Unavailable, match="send the step again"):
        old.sessions.find("talk")


@on_a_loop
async def test_sessions_of_other_weights_end_and_are_told_so():
    old, new = SessionBench(), SessionBench()
    new.sessions.origin = dataclasses.replace(new.sessions.origin, fingerprint="a" * 64)
    old.sessions.open("talk")
    hand_over(old.sessions, new.sessions)
    with pytest.raises(SnapshotMismatch, match="'talk' has ended: model_changed"):
        new.sessions.find("talk")
    assert new.sessions.open("talk").step == old.batcher.slots.in_use == 0


@on_a_loop
async def test_sessions_of_a_model_that_nobody_follows_end():
    old = SessionBench()
    old.sessions.open("talk")
    hand_over(old.sessions, None)
    with pytest.raises(SessionGone, match="unloaded"):
        old.sessions.find("talk")


@on_a_loop
async def test_an_id_that_is_in_use_there_keeps_who_has_it():
    old, new = SessionBench(), SessionBench()
    old.sessions.open("talk")
    own = new.sessions.open("talk")
    hand_over(old.sessions, new.sessions)
    assert new.sessions.find("talk") is own
    assert (old.batcher.slots.in_use, new.batcher.slots.in_use) == (0, 1)


@on_a_loop
async def test_who_holds_a_session_holds_it_in_the_next_version_and_hears_when_there_is_none():
    old, new = SessionBench(), SessionBench()
    session, lost = old.sessions.open("talk"), []
    hold = Hold(old.sessions, session, lost.append)
    await hold.take()
    hand_over(old.sessions, new.sessions)
    moved = new.sessions.find("talk")
    assert (hold.session, hold.sessions, moved.hold, lost) == (moved, new.sessions, hold, [])
    hand_over(new.sessions, None)
    assert lost == ["unloaded"]


@on_a_loop
async def test_who_holds_a_session_for_which_there_is_no_place_is_told_that_it_is_lost():
    old, new, lost = SessionBench(), SessionBench(), []
    await Hold(old.sessions, old.sessions.open("talk"), lost.append).take()
    new.sessions.open("talk")
    hand_over(old.sessions, new.sessions)
    assert lost == ["lost"]


@on_a_loop
async def test_who_was_on_the_way_to_a_version_that_has_left_comes_to_the_one_that_serves():
    oldest, middle, newest = SessionBench(), SessionBench(), SessionBench()
    running = oldest.ask(oldest.sessions.open("talk"), oldest.steps(2))
    await all_due()
    hand_over(oldest.sessions, middle.sessions)
    hand_over(middle.sessions, newest.sessions)
    waiting = asyncio.create_task(newest.sessions.arrival("talk"))
    await oldest.drain()
    await asyncio.gather(running, waiting)
    assert newest.sessions.find("talk").step == 1
    assert [bench.batcher.slots.in_use for bench in (oldest, middle, newest)] == [0, 0, 1]


@pytest.mark.parametrize("fingerprint", [None, "a" * 64])
@on_a_loop
async def test_who_is_on_the_way_and_finds_nobody_to_go_on_with_ends(fingerprint):
    oldest, middle, newest = SessionBench(), SessionBench(), SessionBench()
    session = oldest.sessions.open("talk")
    running = oldest.ask(session, oldest.steps(2))
    await all_due()
    hand_over(oldest.sessions, middle.sessions)
    if fingerprint is None:
        hand_over(middle.sessions, None)
    else:
        newest.sessions.origin = dataclasses.replace(newest.sessions.origin, fingerprint=fingerprint)
        hand_over(middle.sessions, newest.sessions)
    await oldest.drain()
    await running
    await middle.sessions.arrival("talk")
    assert (session.is_open, oldest.batcher.slots.in_use) == (False, 0)
    if fingerprint is not None:
        with pytest.raises(SnapshotMismatch, match="model_changed"):
            newest.sessions.find("talk")


@on_a_loop
async def test_nothing_more_comes_to_a_version_that_has_left():
    old, new = SessionBench(), SessionBench()
    origin = old.sessions.open("talk")
    snapshot = old.sessions.snapshot_at_rest(origin)
    hand_over(old.sessions, new.sessions)
    for come in (old.sessions.open, lambda: old.sessions.restore(snapshot, "more", "store")):
        with pytest.raises(Unavailable, match="send it again"):
            come()
    assert old.batcher.slots.in_use == 0
