"""Recurrent states at rest on the device: one row of every state for each sequence that has one there."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from service.backends.cuda import Cuda, CudaFailed, CudaOutOfMemory, Stream
from service.backends.device_moves import ZEROS, DeviceMoves, place_of
from service.backends.tensorrt_buffers import BufferSet, DeviceMemory, TensorBuffer, free_all
from service.backends.tensorrt_pieces import Piece
from service.domain.batches import Batch
from service.domain.device_states import DeviceRow, ResidentState
from service.domain.signature import StateSpec
from service.domain.tensors import Array

_FEWEST_ROWS = 64
# As many as are asked for at once: no read takes memory that there may not be.
_STAGED_ROWS = 256


@dataclass(frozen=True, slots=True)
class StateRoom:
    """The most rows of states that a table on the device may have, and the most bytes."""

    rows: int
    size: int


class DeviceTable:
    """`[rows, *shape]` for each state, allocated once; as many rows as there is room for, beside those read.

    Rows are taken on the event loop and given back from any thread. Moves are queued on the stream on which
    batches run, so a row that is taken again is written only after whoever read it before.
    """

    def __init__(self, cuda: Cuda, states: Sequence[StateSpec], room: StateRoom) -> None:
        self._cuda = cuda
        self._states = states
        self._shapes = [state.shape for state in states]
        self._sizes = [4 * int(np.prod(state.shape)) for state in states]
        self._tables = [DeviceMemory(cuda) for _ in states]
        self._staged = [TensorBuffer(cuda, np.dtype(np.float32)) for _ in states]
        self._places = TensorBuffer(cuda, np.dtype(np.int32))
        self._moves = DeviceMoves(states)
        self.rows = min(room.rows, room.size // self.row_bytes)
        self.epoch = 0
        self._free: deque[int] = deque()

    @property
    def row_bytes(self) -> int:
        return sum(self._sizes)

    @property
    def free(self) -> int:
        return len(self._free)

    @property
    def in_use(self) -> int:
        return max(0, self.rows - 1 - len(self._free))

    def open(self, stream: Stream) -> None:
        """Allocate; with fewer rows where there is no room for all. Raises CudaFailed."""
        while True:
            try:
                for table, size in zip(self._tables, self._sizes, strict=True):
                    table.reserve(self.rows * size)
                self._make_room(min(self.rows, _STAGED_ROWS))
            except CudaOutOfMemory:
                self._free_memory()
                self.rows //= 2
                if self.rows < _FEWEST_ROWS:
                    raise
            else:
                break
        for table, size in zip(self._tables, self._sizes, strict=True):
            self._cuda.zero(table.pointer, size, stream)
        self._prove(stream)
        self._free.extend(range(1, self.rows))

    def take(self) -> DeviceRow | None:
        if not self.rows:
            return None
        try:
            return DeviceRow(self, self._free.popleft())
        except IndexError:
            return None

    def give_back(self, index: int) -> None:
        self._free.append(index)

    def renounce(self) -> None:
        self.epoch += 1

    def copy_in(self, piece: Piece, batch: Batch, buffers: BufferSet, stream: Stream) -> None:
        """Queue for the device from where a piece's states come, and where they go."""
        self._moves.copy_in(piece, batch, buffers, stream)

    def gather(self, buffers: BufferSet, rows: int, stream: Stream) -> None:
        """Queue the copies of a batch's states from their rows, as its `sources` say."""
        for state, table, size in zip(self._states, self._tables, self._sizes, strict=True):
            target = buffers.tensors[state.input].pointer
            self._cuda.gather(target, table.pointer, buffers.sources.pointer, rows, size, stream)

    def scatter(self, buffers: BufferSet, rows: int, stream: Stream) -> None:
        """Queue the copies of a batch's new states to their rows, as its `targets` say."""
        for state, table, size in zip(self._states, self._tables, self._sizes, strict=True):
            source = buffers.tensors[state.output].pointer
            self._cuda.scatter(table.pointer, source, buffers.targets.pointer, rows, size, stream)

    def read(self, states: Sequence[ResidentState], stream: Stream) -> tuple[Array, ...]:
        """Bring rows to the host, `[states, *shape]` each; waits for all that was queued before."""
        return self._read([place_of(state) for state in states], stream)

    def close(self) -> None:
        """Free everything; nothing may be running."""
        self._free.clear()
        self.rows = 0
        self.renounce()
        self._free_memory()

    def _free_memory(self) -> None:
        free_all(table.free for table in self._tables)
        free_all(staged.free for staged in (*self._staged, self._places))

    def _read(self, places: Sequence[int], stream: Stream) -> tuple[Array, ...]:
        rows = len(places)
        self._stage(places, stream)
        for table, size, staged in zip(self._tables, self._sizes, self._staged, strict=True):
            self._cuda.gather(staged.pointer, table.pointer, self._places.pointer, rows, size, stream)
        shapes = [(rows, *state.shape) for state in self._states]
        for staged, shape in zip(self._staged, shapes, strict=True):
            staged.copy_out(shape, stream)
        self._cuda.synchronize(stream)
        return tuple(staged.host(shape).copy() for staged, shape in zip(self._staged, shapes, strict=True))

    def _prove(self, stream: Stream) -> None:
        """Send rows there and back in another order; raises CudaFailed where they are not the same."""
        places = list(range(1, min(self.rows, 4)))
        self._stage(places, stream)
        sent = []
        for state, table, size, staged in zip(
            self._states, self._tables, self._sizes, self._staged, strict=True
        ):
            shape = (len(places), *state.shape)
            staged.host(shape)[:] = np.arange(1, staged.host(shape).size + 1).reshape(shape)
            sent.append(staged.host(shape).copy())
            staged.copy_in(shape, shape, stream)
            self._cuda.scatter(table.pointer, staged.pointer, self._places.pointer, len(places), size, stream)
        self._cuda.synchronize(stream)
        found = self._read([*reversed(places), ZEROS], stream)
        for rows, due in zip(found, sent, strict=True):
            if rows[-1].any() or not np.array_equal(rows[:-1], due[::-1]):
                raise CudaFailed("rows come back from the device other than they went there")

    def _stage(self, places: Sequence[int], stream: Stream) -> None:
        """Make room for so many rows, and queue their places; nothing may be on its way through it."""
        rows = (len(places),)
        self._make_room(*rows)
        self._places.host(rows)[:] = places
        self._places.copy_in(rows, rows, stream)

    def _make_room(self, rows: int) -> None:
        """For so many on their way between the table and the host; no less than there was."""
        for staged, shape in [(self._places, ()), *zip(self._staged, self._shapes, strict=True)]:
            if not staged.has_room((rows, *shape)):
                staged.reserve((rows, *shape))
