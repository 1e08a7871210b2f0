"""Pieces on their way through the device: copied in, run and copied out, two at a time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from service.backends.cuda import Cuda, CudaContextLost, CudaFailed, Stream
from service.backends.device_table import DeviceTable
from service.backends.tensorrt_buffers import BufferSet, free_all
from service.backends.tensorrt_execution import PlanExecution
from service.backends.tensorrt_layout import Answer, PlanLayout
from service.backends.tensorrt_pieces import Piece
from service.domain.batches import Batch
from service.domain.device_states import ResidentState
from service.domain.tensors import Array
from service.errors import EngineFailed

IN_FLIGHT = 2


class PlanRunner:
    """Copies in, runs and copies out have a stream each, and each piece in flight buffers of its own.

    So one piece is copied in while the one before it runs; events keep a piece's own order.
    """

    def __init__(self, cuda: Cuda, execution: PlanExecution, layout: PlanLayout) -> None:
        self._cuda = cuda
        self._execution = execution
        self._layout = layout
        self._table: DeviceTable | None = None
        self._streams: list[Stream] = []
        self._sets = [BufferSet(cuda, layout.dtypes, layout.inputs) for _ in range(IN_FLIGHT)]

    def open(self) -> None:
        """Create streams and events; `close` frees also what a failure here left."""
        for _ in range(3):
            self._streams.append(self._cuda.create_stream())
        for buffers in self._sets:
            buffers.create_events()

    def keep_states_in(self, table: DeviceTable) -> None:
        """Have batches name rows of a table; before the first runs. Raises CudaFailed."""
        try:
            table.open(self._streams[1])
        except CudaFailed:
            self._settle()
            table.close()
            raise
        self._table = self._execution.table = table

    def read(self, states: Sequence[ResidentState]) -> tuple[Array, ...]:
        """Bring rows of the table to the host, `[states, *shape]` for each state."""
        if self._table is None:
            raise EngineFailed("states are to be read and there is no table. This is a bug.")
        try:
            return self._table.read(states, self._streams[1])
        except CudaFailed:
            self._settle()
            raise

    def take(self, pieces: Sequence[Piece]) -> BufferSet:
        """Buffers that no batch in flight uses, with room for these pieces."""
        buffers = next((buffers for buffers in self._sets if buffers.is_free), None)
        if buffers is None:
            raise EngineFailed(f"{IN_FLIGHT} batches are in flight and one more was started. This is a bug.")
        for shapes in map(self._layout.shapes, pieces):
            if not buffers.has_room(shapes):
                self._execution.forget(buffers)
                buffers.reserve(shapes)
        buffers.is_free = False
        return buffers

    def launch(self, piece: Piece, batch: Batch, buffers: BufferSet) -> None:
        """Queue a piece; `batch` may change as soon as this returns."""
        copying_in, computing, copying_out = self._streams
        cuda, layout = self._cuda, self._layout
        layout.fill(piece, batch, buffers)
        layout.copy_in(piece, batch, buffers, copying_in)
        if self._table is not None:
            self._table.copy_in(piece, batch, buffers, copying_in)
        cuda.record(buffers.arrived, copying_in)
        cuda.wait(computing, buffers.arrived)
        if piece.goes_on:
            layout.carry_states(piece, buffers, computing)
        cuda.record(buffers.begun, computing)
        is_to_capture = self._execution.run(piece, layout.shapes(piece), buffers, computing)
        cuda.record(buffers.computed, computing)
        cuda.wait(copying_out, buffers.computed)
        layout.copy_out(piece, batch, buffers, copying_out)
        cuda.record(buffers.returned, copying_out)
        if is_to_capture:
            self._execution.capture(piece, buffers, computing)

    def collect(self, piece: Piece, buffers: BufferSet, answer: Answer) -> None:
        """Wait for a piece and take its results."""
        self._cuda.wait_for(buffers.returned)
        answer.compute_s += self._cuda.elapsed_s(buffers.begun, buffers.computed)
        self._layout.collect(piece, buffers, answer)

    def release(self, buffers: BufferSet) -> None:
        buffers.is_free = True

    def abandon(self, buffers: BufferSet) -> None:
        """Give up on what is in these buffers; raises CudaContextLost where the device is lost."""
        try:
            self._settle()
        finally:
            self.release(buffers)

    def close(self) -> None:
        """Free what may be running, then what it runs on; raises CudaContextLost before anything is freed."""
        self._settle()
        streams, self._streams = self._streams, []
        self._execution.close()
        if self._table is not None:
            self._table.close()
        free_all(buffers.free for buffers in self._sets)
        free_all(partial(self._cuda.destroy_stream, stream) for stream in streams)

    def _settle(self) -> None:
        """Wait for whatever was queued; raises CudaContextLost where the device is lost."""
        for failure in [failure for stream in self._streams if (failure := self._settled(stream))]:
            if isinstance(failure, CudaContextLost):
                raise failure

    def _settled(self, stream: Stream) -> CudaFailed | None:
        try:
            self._cuda.synchronize(stream)
        except CudaFailed as failure:
            return failure
        return None
