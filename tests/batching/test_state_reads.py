"""States that are brought to the host: each that can be made is, and whoever waits is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
from fakes import running_sum_signature
from on_a_loop import on_a_loop

from service.backends.engine_thread import OnOutcome, Outcome
from service.batching.state_reads import StateReads
from service.domain.batches import Batch, BatchResult
from service.domain.device_states import DeviceRow, ResidentState
from service.domain.replay import NOTHING
from service.domain.signature import Readout
from service.errors import EngineFailed

SIGNATURE = running_sum_signature(Readout.LAST)


class Table:
    """As many rows as are asked for."""

    def __init__(self) -> None:
        self.epoch = 0
        self.free, self.in_use, self.row_bytes = 1 << 20, 0, 8
        self._taken = 0

    def take(self) -> DeviceRow:
        self._taken += 1
        return DeviceRow(self, self._taken)

    def give_back(self, index: int) -> None:
        pass

    def renounce(self) -> None:
        self.epoch += 1


class Reader:
    """An engine whose rows hold their own places; it answers as `answers` says, at once."""

    def __init__(self, answers: Callable[[Batch], Outcome] | None = None) -> None:
        self.capability = SimpleNamespace(table=Table())
        self.asked: list[Batch] = []
        self.answers = answers or places

    def submit(self, batch: Batch, on_outcome: OnOutcome) -> None:
        self.asked.append(batch)
        on_outcome(self.answers(batch))

    def states(self, count: int) -> dict[int, ResidentState]:
        return {10 + index: resident(self.capability.table) for index in range(count)}


def resident(table: Table) -> ResidentState:
    checkpoint = (np.zeros(2, np.float32),)
    return ResidentState(checkpoint).after(np.ones((3, 2), np.float32), table.take(), 0.0)


def places(batch: Batch) -> BatchResult:
    states = batch.device_states
    read = np.array([[state.row.index] * 2 for state in states.read], np.float32)
    return BatchResult(NOTHING, (), "gpu", 0.0, is_resident=states.table is not None, read=(read,))


class Arrivals(dict[int, float]):
    """What arrived, by the slot's row; and of which it was told that they had to be made again."""

    def __init__(self) -> None:
        self.replayed: list[int] = []

    def __call__(self, row: int, state: ResidentState, states: tuple, is_replayed: bool) -> None:
        assert states[0][0] == state.row.index
        assert states[0].base is None, "a view keeps all that came with it"
        self[row] = states[0][0]
        self.replayed += [row] * is_replayed


def read(reader: Reader, wanted: dict[int, ResidentState]) -> tuple[Arrivals, list[EngineFailed | None]]:
    arrivals, done = Arrivals(), []
    StateReads(reader, SIGNATURE, arrivals).start(wanted, done.append)
    return arrivals, done


def test_many_are_read_in_parts_that_could_be_made_again_in_one_batch():
    reader = Reader()
    arrivals, done = read(reader, wanted := reader.states(600))
    assert arrivals.keys() == wanted.keys()
    assert [len(batch.device_states.read) for batch in reader.asked] == [256, 256, 88]
    assert done == [None]
    assert arrivals.replayed == []


def test_one_that_cannot_be_made_keeps_no_other_from_coming():
    reader = Reader()
    wanted = reader.states(600)
    spoilt = wanted[300]
    fails = EngineFailed("it cannot be made")
    reader.answers = lambda batch: fails if spoilt in batch.device_states.read else places(batch)
    arrivals, done = read(reader, wanted)
    assert wanted.keys() - arrivals.keys() == {300}
    assert done == [fails]


def of_other_rows(batch: Batch) -> BatchResult:
    return BatchResult(NOTHING, (), "cpu", 0.0, read=(np.zeros((7, 2), np.float32),))


class NoRoom(np.ndarray):
    """An array of which there is no room for copies."""

    def copy(self, *_: object) -> np.ndarray:
        raise MemoryError


def without_room(batch: Batch) -> BatchResult:
    (states,) = places(batch).read
    return BatchResult(NOTHING, (), "cpu", 0.0, read=(states.view(NoRoom),))


@pytest.mark.parametrize("answers", [of_other_rows, without_room, lambda _: MemoryError("no room")])
@on_a_loop
async def test_whoever_waits_is_told_of_whatever_goes_wrong(answers):
    reader = Reader(answers)
    reads = StateReads(reader, SIGNATURE, Arrivals())
    with pytest.raises(EngineFailed):
        await asyncio.wait_for(reads.bring(reader.states(3)), 1)


def test_what_was_read_before_the_table_was_given_up_is_made_again():
    reader = Reader()

    def given_up_meanwhile(batch: Batch) -> BatchResult:
        reader.capability.table.renounce()
        return places(batch)

    reader.answers = given_up_meanwhile
    arrivals, done = read(reader, wanted := reader.states(3))
    assert [batch.device_states.table for batch in reader.asked] == [reader.capability.table, None]
    assert sorted(arrivals.replayed) == sorted(wanted)
    assert done == [None]


@on_a_loop
async def test_one_who_no_longer_waits_takes_nothing_from_the_others():
    reader = Reader()
    arrivals = Arrivals()
    reads = StateReads(reader, SIGNATURE, arrivals)
    leaves, stays = (
        asyncio.ensure_future(reads.bring({row: resident(reader.capability.table)})) for row in (1, 2)
    )
    await asyncio.sleep(0)
    leaves.cancel()
    await stays
    assert arrivals.keys() == {1, 2}
    assert len(reader.asked) == 1
    await reads.bring({3: resident(reader.capability.table)})
    assert len(reader.asked[1].device_states.read) == 1
