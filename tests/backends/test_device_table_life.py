"""A table of states on the device, from its opening to its end: with room or without, and whatever fails."""

from __future__ import annotations

import numpy as np
import pytest
import structlog
from device_streams import ROOM, Streams, steps
from fake_gpu import Device

from service.backends.cuda import CudaContextLost, CudaFailed, CudaOutOfMemory
from service.backends.device_table import StateRoom
from service.errors import EngineFailed


def test_what_was_written_before_the_table_was_given_up_is_not_in_it():
    streams = Streams(Device(room=ROOM).loaded())
    streams.step({0: steps(3)})
    row = streams.states[0].row
    assert row.is_in(streams.table)
    assert not row.is_in(Streams(Device(room=ROOM).loaded()).table)
    assert not row.is_in(None)
    streams.table.renounce()
    assert not row.is_in(streams.table)


def test_what_was_in_a_table_that_is_closed_is_nowhere_and_nobody_gets_a_row_of_it():
    streams = Streams(Device(room=ROOM).loaded())
    streams.step({0: steps(3), 1: steps(1)})
    table, row = streams.table, streams.states[0].row
    streams.device.backend.close()
    assert not row.is_in(table)
    assert table.free == 0
    del row
    streams.states.clear()
    assert table.take() is None
    assert table.in_use == 0


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


@pytest.mark.parametrize(("rows", "size", "due"), [(9, 1 << 20, 9), (1 << 12, 8 * 20 + 7, 20)])
def test_a_table_has_no_more_rows_and_no_more_bytes_than_it_may(rows, size, due):
    table = Device(room=StateRoom(rows, size)).loaded().backend.capability.table
    assert (table.rows, table.free) == (due, due - 1)


def test_a_table_that_fails_while_it_is_opened_leaves_nothing_behind():
    plain, whole = Device().loaded().cuda.calls.total(), Device(room=ROOM).loaded().cuda.calls.total()
    for number in range(plain + 1, whole + 1):
        device = Device(room=ROOM)
        device.cuda.fails_at = {number: CudaFailed("it failed")}
        with structlog.testing.capture_logs() as logs:
            device.loaded()
        assert [line["reason"] for line in logs] == ["it failed"], number
        assert (device.cuda.memory.used, len(device.cuda.host)) == (0, 0), number
        batch = device.batch([3, 40])
        device.check(device.backend.run(batch), batch)


def test_a_table_is_halved_until_it_fits():
    device = Device(room=StateRoom(rows=1 << 12, size=1 << 20))
    device.cuda.room = (1 << 13) + (1 << 12)
    table = device.loaded().backend.capability.table
    assert table.rows == 1 << 10


def test_a_table_for_which_there_is_hardly_room_is_none():
    device = Device(room=StateRoom(rows=1 << 12, size=1 << 20))
    # Enough for 32 rows.
    device.cuda.room = 1000
    with structlog.testing.capture_logs() as logs:
        device.loaded()
    assert [line["event"] for line in logs] == ["states stay on the host"]
    assert device.cuda.memory.used == 0


def test_states_are_read_though_there_is_no_memory_left():
    streams = Streams(Device(room=StateRoom(rows=512, size=1 << 20)).loaded())
    names = list(range(200))
    for first in range(0, len(names), 8):
        streams.step({name: steps(1, name) for name in names[first : first + 8]})
    streams.device.cuda.room = 0
    np.testing.assert_array_equal(streams.read(*names), [streams.due[name] for name in names])


def test_a_lost_device_has_no_table():
    streams = Streams(Device(room=ROOM).loaded())
    streams.device.cuda.refuses = {"copy_in": CudaContextLost("cudaErrorIllegalAddress")}
    with pytest.raises(EngineFailed):
        streams.step({0: steps(1)})
    assert streams.device.backend.capability.table is None
