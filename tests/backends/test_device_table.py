"""States that stay on the device: batches name rows, and never write where anybody reads."""

from __future__ import annotations

import contextlib
import gc

import numpy as np
import pytest
import structlog
from drawn import examples
from fake_gpu import Device
from fakes import running_sum
from hypothesis import given
from hypothesis import strategies as st

from service.backends.cuda import CudaContextLost, CudaFailed, CudaOutOfMemory
from service.backends.device_table import DeviceTable, StateRoom
from service.domain.batches import Batch
from service.domain.device_states import DeviceStates, ResidentState
from service.domain.replay import Replay
from service.domain.signature import Readout
from service.domain.tensors import Array
from service.errors import EngineFailed

ROOM = StateRoom(rows=33, size=1 << 20)
ZERO = (np.zeros(2, np.float32),)
FRESH = ResidentState(ZERO, is_fresh=True)


class Streams:
    """Sequences whose states stay on one fake GPU, and what is due for each."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.states: dict[int, ResidentState] = {}
        self.due: dict[int, Array] = {}

    @property
    def table(self) -> DeviceTable:
        table = self.device.backend.capability.table
        assert isinstance(table, DeviceTable)
        return table

    def batch(self, chunks: dict[int, Array], *, returns_states: bool = False) -> Batch:
        lengths = [len(chunk) for chunk in chunks.values()]
        sequence = np.zeros((max(lengths), len(chunks), 2), np.float32)
        for row, chunk in enumerate(chunks.values()):
            sequence[: len(chunk), row] = chunk
        before = tuple(self.states.get(name, FRESH) for name in chunks)
        targets = tuple(self.table.take() for _ in chunks)
        has_steps = self.device.signature.has_step_outputs
        states = DeviceStates(self.table, before, targets, has_steps, returns_states)
        return Batch(sequence, np.array(lengths, np.int32), device_states=states)

    def step(self, chunks: dict[int, Array], *, returns_states: bool = False) -> None:
        """Run a chunk of each and see that its output goes on where the one before ended."""
        batch = self.batch(chunks, returns_states=returns_states)
        result = self.device.backend.run(batch)
        assert result.is_resident
        assert bool(result.states) == returns_states
        states = batch.device_states
        for row, (name, chunk) in enumerate(chunks.items()):
            due = running_sum(chunk, self.due.get(name, ZERO[0]))
            found = result.output[: len(chunk), row] if states.has_step_outputs else result.output[row]
            np.testing.assert_array_equal(found, due if states.has_step_outputs else due[-1])
            if returns_states:
                np.testing.assert_array_equal(result.states[0][row], due[-1])
            self.due[name] = due[-1]
            self.states[name] = states.before[row].after(chunk, states.targets[row], 0.0)

    def read(self, *names: int) -> Array:
        states = tuple(self.states[name] for name in names)
        batch = reading(self.table, states)
        return self.device.backend.run(batch).read[0]


def reading(table: DeviceTable | None, states: tuple[ResidentState, ...]) -> Batch:
    nobody = np.zeros(0, np.int32)
    wanted = DeviceStates(table, (), (), has_step_outputs=False, read=states)
    return Batch(np.zeros((0, 0, 2), np.float32), nobody, device_states=wanted)


def steps(count: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).integers(-4, 5, size=(count, 2)).astype(np.float32)


@examples(40)
@given(
    st.lists(st.dictionaries(st.integers(0, 13), st.integers(1, 40), min_size=1), max_size=8),
    st.sampled_from(list(Readout)),
    st.sampled_from([None, 1, 2]),
    st.booleans(),
)
def test_sequences_in_random_chunks_and_company_go_on_where_they_ended(ticks, readout, seed, returns_states):
    streams = Streams(Device(readout=readout, seed=seed, room=ROOM).loaded())
    for number, lengths in enumerate(ticks):
        streams.step(
            {name: steps(count, number) for name, count in lengths.items()}, returns_states=returns_states
        )
    for name, due in streams.due.items():
        np.testing.assert_array_equal(streams.read(name)[0], due)
    assert streams.table.in_use == len(streams.states)
    streams.states.clear()
    assert streams.table.in_use == 0
    streams.device.backend.close()
    assert streams.device.cuda.alive() == {}


def test_states_are_neither_carried_there_nor_back():
    streams = Streams(Device(room=ROOM).loaded())
    chunks = {name: steps(1, name) for name in range(4)}
    streams.step(chunks)
    streams.step(chunks)
    before = streams.device.cuda.calls.copy()
    streams.step(chunks)
    moved = streams.device.cuda.calls - before
    # The sequence, its lengths and the two places; the output. What moves the rows is in the graph.
    assert (moved["copy_in"], moved["copy_out"], moved["launch"]) == (4, 1, 1)
    assert moved["gather"] == moved["scatter"] == 0


def test_several_rows_are_read_at_once_in_the_order_they_are_asked_for():
    streams = Streams(Device(room=ROOM).loaded())
    streams.step({name: steps(3, name) for name in range(5)})
    np.testing.assert_array_equal(streams.read(4, 0, 2), [streams.due[4], streams.due[0], streams.due[2]])


def test_a_state_from_the_host_and_a_fresh_one_begin_beside_one_on_the_device():
    streams = Streams(Device(room=ROOM).loaded())
    streams.step({0: steps(3)})
    streams.states[1] = ResidentState((np.array([7.0, -2.0], np.float32),))
    streams.due[1] = streams.states[1].checkpoint[0]
    streams.step({2: steps(2), 1: steps(5), 0: steps(1)})


def test_a_batch_that_fails_leaves_every_state_as_it_was():
    streams = Streams(Device(room=ROOM).loaded())
    chunks = {name: steps(40, name) for name in range(3)}
    streams.step(chunks)
    cuda = streams.device.cuda
    first = cuda.calls.total()
    streams.step(chunks)
    for offset in range(1, cuda.calls.total() - first + 1):
        number = cuda.calls.total() + offset
        cuda.fails_at = {number: CudaFailed("it failed")}
        with contextlib.suppress(EngineFailed):
            streams.step(chunks)
        np.testing.assert_array_equal(streams.read(0, 1, 2), [streams.due[name] for name in range(3)])
    # A failure that is kept keeps the frames it was raised in.
    cuda.fails_at = {}
    gc.collect()
    assert streams.table.in_use == 3


def test_a_row_in_flight_is_nobody_else_s_before_the_batch_has_ended():
    streams = Streams(Device(room=StateRoom(rows=4, size=1 << 20)).loaded())
    pending = streams.device.backend.start(streams.batch({0: steps(4), 1: steps(4)}))
    assert streams.table.free == 1
    streams.device.backend.finish(pending)
    del pending
    assert streams.table.free == 3


def test_what_was_written_before_the_table_was_given_up_is_not_in_it():
    streams = Streams(Device(room=ROOM).loaded())
    streams.step({0: steps(3)})
    row = streams.states[0].row
    assert row.is_in(streams.table)
    streams.table.renounce()
    assert not row.is_in(streams.table)


def test_kernels_that_move_rows_wrongly_are_not_used():
    device = Device(room=ROOM)
    gather = device.cuda.gather
    device.cuda.gather = lambda batch, _, *rest: gather(batch, batch, *rest)
    with structlog.testing.capture_logs() as logs:
        device.loaded()
    assert [line["reason"] for line in logs] == ["rows come back from the device other than they went there"]
    assert device.backend.capability.table is None


@pytest.mark.parametrize("call", ["load_row_moves", "allocate"])
def test_a_device_without_kernels_or_room_serves_with_states_on_the_host(call):
    device = Device(room=ROOM)
    device.cuda.refuses = {call: CudaOutOfMemory("no room") if call == "allocate" else CudaFailed("no NVRTC")}
    with structlog.testing.capture_logs() as logs:
        device.loaded()
    device.cuda.refuses = {}
    assert [line["event"] for line in logs] == ["states stay on the host"]
    assert device.backend.capability.table is None
    batch = device.batch([3, 40])
    device.check(device.backend.run(batch), batch)
    device.backend.close()
    assert device.cuda.alive() == {}


def test_a_table_is_halved_until_it_fits():
    device = Device(room=StateRoom(rows=1 << 12, size=1 << 20))
    device.cuda.room = (1 << 13) + 512
    table = device.loaded().backend.capability.table
    assert table.rows == 1 << 10


def test_a_lost_device_has_no_table():
    streams = Streams(Device(room=ROOM).loaded())
    streams.device.cuda.refuses = {"copy_in": CudaContextLost("cudaErrorIllegalAddress")}
    with pytest.raises(EngineFailed):
        streams.step({0: steps(1)})
    assert streams.device.backend.capability.table is None


@pytest.mark.parametrize("readout", Readout)
def test_any_engine_makes_the_states_again_from_their_inputs(readout):
    streams = Streams(Device(readout=readout, room=ROOM).loaded())
    streams.step({0: steps(3), 1: steps(9)})
    streams.step({0: steps(2, 1)})
    chunks = {1: steps(4, 2), 2: steps(6, 3), 0: steps(1, 4)}
    batch = streams.batch(chunks)
    replay = Replay(batch, batch.device_states)
    found = replay.result(streams.device.backend.run(replay.batch))
    for row, (name, chunk) in enumerate(chunks.items()):
        due = running_sum(chunk, streams.due.get(name, ZERO[0]))
        mine = found.output[: len(chunk), row] if readout is Readout.EVERY_STEP else found.output[row]
        np.testing.assert_array_equal(mine, due if readout is Readout.EVERY_STEP else due[-1])
        np.testing.assert_array_equal(found.states[0][row], due[-1])
    wanted = reading(None, (streams.states[1], streams.states[0]))
    again = Replay(wanted, wanted.device_states)
    read = again.result(streams.device.backend.run(again.batch)).read[0]
    np.testing.assert_array_equal(read, [streams.due[1], streams.due[0]])
