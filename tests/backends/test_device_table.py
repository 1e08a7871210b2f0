"""States that stay on the device: batches name rows, and never write where anybody reads."""

from __future__ import annotations

import contextlib
import gc

import numpy as np
import pytest
from device_streams import ROOM, ZERO, Streams, reading, steps
from drawn import examples
from fake_gpu import Device
from fakes import running_sum
from hypothesis import given
from hypothesis import strategies as st

from service.backends.cuda import CudaFailed
from service.backends.device_table import StateRoom
from service.domain.device_states import ResidentState
from service.domain.replay import Replay
from service.domain.signature import Readout
from service.errors import EngineFailed


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


def test_zeros_are_on_the_device_already():
    streams = Streams(Device(room=ROOM).loaded())
    before = streams.device.cuda.calls.copy()
    streams.step({0: steps(1), 1: steps(2)})
    assert (streams.device.cuda.calls - before)["copy_in"] == 4


def test_several_rows_are_read_at_once_in_the_order_they_are_asked_for():
    streams = Streams(Device(room=ROOM).loaded())
    streams.step({name: steps(3, name) for name in range(5)})
    np.testing.assert_array_equal(streams.read(4, 0, 2), [streams.due[4], streams.due[0], streams.due[2]])


def test_what_was_read_stays_while_others_are_read():
    streams = Streams(Device(room=ROOM).loaded())
    streams.step({name: steps(3, name) for name in range(2)})
    found = streams.read(0)
    streams.read(1)
    np.testing.assert_array_equal(found, [streams.due[0]])


def test_a_state_from_the_host_and_a_fresh_one_begin_beside_one_on_the_device():
    streams = Streams(Device(room=ROOM).loaded())
    streams.step({0: steps(3)})
    streams.states[1] = ResidentState((np.array([7.0, -2.0], np.float32),))
    streams.due[1] = streams.states[1].checkpoint[0]
    streams.step({2: steps(2), 1: steps(5), 0: steps(1)})


def test_states_from_the_host_find_their_rows_where_the_longest_are_run_first():
    streams = Streams(Device(room=ROOM).loaded())
    for name in range(3):
        streams.states[name] = ResidentState((np.array([7.0 * name, 1.0], np.float32),))
        streams.due[name] = streams.states[name].checkpoint[0]
    streams.step({0: steps(1), 1: steps(90), 3: steps(40), 2: steps(60)})
    streams.step({3: steps(1), 2: steps(80), 0: steps(90)})


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
