"""States on their way between a device and the host: who is moved, who is counted, and who is told."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from on_a_loop import on_a_loop
from resident_bench import ResidentBench

from service.backends.cuda import CudaFailed
from service.batching import residency
from service.domain.device_states import MOST_INPUT_STEPS
from service.errors import EngineFailed, SessionGone


def first_input(bench: ResidentBench, identity: str) -> float:
    """Of those that a session's state is to be made again from: the CPU knows a sequence by it."""
    (slot,) = bench.sessions.find(identity).slots
    return float(bench.batcher.slots.resident[slot.row].inputs[0][0, 0])


@on_a_loop
async def test_who_is_idle_makes_room_and_comes_back_with_its_next_step():
    bench = ResidentBench(rows=9)
    for name in "abcdefg":
        bench.open(name)
        await bench.step(name, 2)
    bench.clock.advance(2.0)
    await bench.step("g", 1)
    await bench.settled()
    assert bench.moved("spilled") == 6
    assert bench.bytes_in("host") == 6 * 8
    for name in "abcdefg":
        await bench.step(name, 2)
    await bench.leave()


@on_a_loop
async def test_many_are_brought_to_the_host_in_one_copy_and_stay():
    bench = ResidentBench()
    for name in "abcdef":
        bench.open(name)
        await bench.step(name, 2)
    before = bench.device.cuda.calls.copy()
    await bench.done(*map(bench.snapshot, "abcdef"))
    assert (bench.device.cuda.calls - before)["copy_out"] == 1
    await bench.done(*map(bench.snapshot, "abcdef"))
    assert (bench.device.cuda.calls - before)["copy_out"] == 1
    assert bench.bytes_in("device") == 6 * 8
    await bench.leave()


@on_a_loop
async def test_a_session_that_ends_while_it_is_brought_is_gone():
    bench = ResidentBench()
    session = bench.open("a")
    await bench.step("a", 2)
    asked = asyncio.ensure_future(bench.snapshot("a"))
    await asyncio.sleep(0)
    bench.sessions.end(session, "closed")
    with pytest.raises(SessionGone):
        await asked
    await bench.leave()


@on_a_loop
async def test_what_no_engine_can_make_again_ends_and_the_rest_goes_on():
    bench = ResidentBench()
    for name in "ab":
        bench.open(name)
        await bench.step(name, 2)
    await bench.snapshot("b")
    bench.cpu._backend.fails_on = {first_input(bench, "a")}
    bench.device.cuda.fails_at = {bench.device.cuda.calls.total() + 1: CudaFailed("it failed")}
    await bench.sessions.bring_all()
    assert [session.id for session in bench.sessions] == ["b"]
    await bench.step("b", 1)
    await bench.leave()


@on_a_loop
async def test_a_state_that_cannot_be_made_again_fails_whoever_asks_for_it_and_nobody_else():
    bench = ResidentBench()
    for name in "abc":
        bench.open(name)
        await bench.step(name, 2)
    bench.cpu._backend.fails_on = {first_input(bench, "a")}
    bench.device.cuda.refuses = {"gather": CudaFailed("it failed")}
    asked = [asyncio.ensure_future(bench.snapshot(name)) for name in "abc"]
    await asyncio.wait(asked)
    assert [task.exception() is None for task in asked] == [False, True, True]
    assert isinstance(asked[0].exception(), EngineFailed)
    del asked
    bench.device.cuda.refuses = {}
    bench.cpu._backend.fails_on = set()
    await bench.snapshot("a")
    await bench.leave()


@on_a_loop
async def test_what_is_counted_has_been_moved():
    bench = ResidentBench()
    bench.open("a")
    await bench.step("a", 2)
    assert (bench.moved("uploaded"), bench.moved("checkpointed")) == (1, 0)
    # A finite sequence that ends beside it leaves nothing behind.
    await bench.done(bench.step("a", MOST_INPUT_STEPS - 30), bench.finite(3))
    await bench.done(bench.step("a", 30), bench.finite(30))
    assert bench.moved("checkpointed") == 1
    await bench.step("a", 2)
    await bench.snapshot("a")
    await bench.snapshot("a")
    assert bench.moved("checkpointed") == 2
    await bench.step("a", 2)
    bench.device.cuda.fails_at = {bench.device.cuda.calls.total() + 1: CudaFailed("it failed")}
    await bench.snapshot("a")
    assert (bench.moved("checkpointed"), bench.moved("replayed")) == (2, 1)
    # Of a tick that fails nothing has come anywhere; it is run again on the CPU, where nothing is uploaded.
    await bench.step("a", MOST_INPUT_STEPS - 30)
    bench.open("b")
    bench.device.cuda.fails_at = {bench.device.cuda.calls.total() + 1: CudaFailed("it failed")}
    await bench.step("b", 1)
    bench.device.cuda.fails_at = {bench.device.cuda.calls.total() + 1: CudaFailed("it failed")}
    await bench.step("a", 36)
    assert (bench.moved("uploaded"), bench.moved("checkpointed")) == (1, 2)
    await bench.leave()


@on_a_loop
async def test_of_those_idle_for_long_a_few_leave_at_a_time_also_where_nothing_has_to_be_read(monkeypatch):
    monkeypatch.setattr(residency, "_MOST_SPILLED", 2)
    bench = ResidentBench(rows=9)
    for name in "abcdefg":
        bench.open(name)
        await bench.step(name, 2)
    for name in "abcd":
        await bench.snapshot(name)
    bench.clock.advance(2.0)
    await bench.step("g", 1)
    assert bench.moved("spilled") == 2
    assert bench.bytes_in("device") == 5 * 8
    for name in "ab":
        await bench.step(name, 1)
    await bench.leave()


@on_a_loop
async def test_no_more_are_asked_to_leave_before_those_asked_have_left():
    bench = ResidentBench(rows=9)
    for name in "abcdefgh":
        bench.open(name)
        await bench.step(name, 2)
    held, asked = bench.batcher._residency, []
    held._leaving.start = lambda _, done: asked.append(done)
    held.make_room()
    assert not asked, "who has just stepped will step again"
    bench.clock.advance(2.0)
    for _ in range(2):
        held.make_room()
    assert len(asked) == 1
    asked[0](EngineFailed("none of them could be read"))
    held.make_room()
    assert len(asked) == 2
    await bench.leave()


@on_a_loop
async def test_a_gpu_that_reads_fewer_states_than_it_was_to_is_not_believed():
    bench = ResidentBench()
    bench.open("a")
    await bench.step("a", 2)
    bench.device.backend._loaded.runner.read = lambda _: (np.zeros((0, 2), np.float32),)
    await bench.snapshot("a")
    assert bench.moved("replayed") == 1
    await bench.leave()


@on_a_loop
async def test_a_sequence_that_ends_in_its_tick_leaves_no_state_behind():
    bench = ResidentBench()
    await bench.finite(3)
    before = bench.device.cuda.calls.copy()
    await bench.finite(3)
    assert (bench.device.cuda.calls - before)["copy_out"] == 1
    await bench.leave()
