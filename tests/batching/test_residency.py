"""What stays on the device between ticks, what is brought to the host, and what is made again."""

from __future__ import annotations

import asyncio

import pytest
from drawn import is_thorough
from on_a_loop import on_a_loop
from resident_bench import ResidentBench, all_due

from service.backends.cuda import CudaContextLost, CudaFailed
from service.domain.device_states import MOST_INPUT_STEPS
from service.domain.signature import Readout
from service.sessions.handover import hand_over


async def a_short_life(bench: ResidentBench) -> None:
    """Sessions and finite sequences in company, cut into ticks, with a snapshot between."""
    bench.open("a")
    bench.open("b")
    await bench.done(bench.step("a", 3), bench.step("b", 50), bench.finite(30))
    await bench.done(bench.step("a", 1), bench.finite(2))
    await bench.done(bench.snapshot("a"), bench.step("b", 1))
    await bench.done(bench.step("a", 30), bench.step("b", 1))


@pytest.mark.parametrize(("failure", "first_call"), [(CudaFailed, 1), (CudaContextLost, 7)])
def test_whichever_call_to_the_device_fails_every_stream_goes_on(failure, first_call):
    async def scenario(number: int | None) -> int:
        bench = ResidentBench()
        first = bench.device.cuda.calls.total()
        if number is not None:
            bench.device.cuda.fails_at = {first + number: failure("it failed")}
        await a_short_life(bench)
        calls = bench.device.cuda.calls.total() - first
        await bench.leave()
        return calls

    every = 1 if is_thorough() else 12
    for number in range(min(first_call, every), asyncio.run(scenario(None)) + 1, every):
        asyncio.run(scenario(number))


@on_a_loop
async def test_a_sequence_of_several_ticks_goes_on_from_the_one_that_another_engine_ran():
    bench = ResidentBench()
    await bench.finite(120)
    before = bench.device.cuda.calls.total()
    await bench.finite(120)
    calls = bench.device.cuda.calls.total() - before
    for number in range(1, calls + 1, 4):
        bench.device.cuda.fails_at = {bench.device.cuda.calls.total() + number: CudaFailed("it failed")}
        await bench.finite(120)
    assert bench.moved("replayed") > 0
    await bench.leave()


@on_a_loop
async def test_a_stream_s_states_are_neither_sent_nor_returned():
    bench = ResidentBench()
    bench.open("a")
    for _ in range(4):
        await bench.step("a", 1)
    before = bench.device.cuda.calls.copy()
    await bench.step("a", 1)
    moved = bench.device.cuda.calls - before
    assert (moved["copy_in"], moved["copy_out"]) == (4, 1)
    assert bench.bytes_in("device") == 8
    assert bench.bytes_in("inputs") == 5 * 8
    assert bench.bytes_in("host") == 0
    await bench.leave()


@on_a_loop
async def test_all_of_a_tick_are_checkpointed_when_one_has_too_many_inputs():
    bench = ResidentBench()
    bench.open("a")
    bench.open("b")
    await bench.step("a", MOST_INPUT_STEPS - 30)
    await bench.step("a", 30)
    assert bench.moved("checkpointed") == 0
    await bench.done(bench.step("a", 1), bench.step("b", 1))
    assert bench.moved("checkpointed") == 2
    assert bench.bytes_in("inputs") == 0
    await bench.leave()


@pytest.mark.parametrize("readout", Readout)
@on_a_loop
async def test_a_stall_moves_streams_to_the_cpu_and_back_when_it_has_ended(readout):
    bench = ResidentBench(readout)
    for name in "ab":
        bench.open(name)
        await bench.step(name, 5)
    bench.device.gate.clear()
    await bench.done(bench.step("a", 3), bench.finite(9))
    assert bench.moved("replayed") == 1
    await bench.heal()
    # One that has been elsewhere is uploaded; of one that has not, the device is not believed either.
    uploaded = bench.moved("uploaded")
    await bench.done(bench.step("a", 1))
    assert bench.moved("uploaded") == uploaded + 1
    await bench.done(bench.step("b", 1))
    assert bench.moved("replayed") == 2
    await bench.leave()


@on_a_loop
async def test_who_finds_no_room_rests_on_the_host():
    bench = ResidentBench(rows=3)
    for name in "abcd":
        bench.open(name)
    for _ in range(3):
        await bench.done(*[bench.step(name, 1) for name in "abcd"])
    assert bench.device.backend.capability.table.in_use == 2
    await bench.leave()


@on_a_loop
async def test_all_are_on_the_host_when_the_engines_end():
    bench = ResidentBench()
    for name in "ab":
        bench.open(name)
    asked = asyncio.gather(bench.step("a", 40), bench.step("b", 2))
    await all_due()
    await bench.batcher.stop()
    await bench.sessions.bring_all()
    await bench.engines.stop()
    await asked
    for name in "ab":
        await bench.snapshot(name)


@on_a_loop
async def test_streams_go_on_in_the_version_that_takes_over():
    old, new = ResidentBench(), ResidentBench()
    for name in "ab":
        old.open(name)
        await old.step(name, 2)
    await old.snapshot("a")
    asked = asyncio.ensure_future(old.step("b", 3))
    await all_due()
    hand_over(old.sessions, new.sessions)
    await asked
    for name in "ab":
        await new.sessions.arrival(name)
        new.due[name] = old.due[name]
        await new.step(name, 4)
    await old.leave()
    await new.leave()


@on_a_loop
async def test_an_answer_that_nobody_takes_keeps_no_row():
    bench = ResidentBench()
    bench.open("a")
    await bench.step("a", 2)
    asked = asyncio.ensure_future(bench.step("a", 2))
    await all_due()
    asked.cancel()
    await asyncio.wait([asked])
    # What it would have been answered is with whoever was to be answered.
    del asked
    await bench.settled()
    assert bench.device.backend.capability.table.in_use == 1
    await bench.snapshot("a")
    await bench.leave()


@on_a_loop
async def test_a_table_in_the_place_of_another_has_none_of_its_rows():
    bench = ResidentBench()
    for name in "abc":
        bench.open(name)
    await bench.done(*[bench.step(name, 3) for name in "abc"])
    await bench.settled()
    bench.device.backend.load(bench.device.artifact)
    await bench.step("c", 1)
    await bench.snapshot("b")
    await bench.done(*[bench.step(name, 1) for name in "abc"])
    await bench.leave()


@on_a_loop
async def test_what_is_kept_of_a_state_keeps_nothing_else_of_its_tick_or_its_request():
    bench = ResidentBench()
    for name in "ab":
        bench.open(name)
    await bench.done(*[bench.step(name, 9) for name in "ab"])
    kept = [array for state in bench.batcher.slots.resident.values() for array in state.inputs]
    await bench.done(*[bench.step(name, MOST_INPUT_STEPS) for name in "ab"])
    kept += [array for state in bench.batcher.slots.resident.values() for array in state.checkpoint]
    assert len(kept) >= 4
    assert [array.base is None for array in kept] == [True] * len(kept)
    await bench.leave()
