"""What the TensorRT backend needs of CUDA: some thirty calls, behind one interface that tests can play."""

from __future__ import annotations

from typing import NewType, Protocol

from service.domain.tensors import Array

Stream = NewType("Stream", int)
Event = NewType("Event", int)
Graph = NewType("Graph", int)
DevicePointer = NewType("DevicePointer", int)


class CudaFailed(Exception):
    """A CUDA call failed; says the call, the error's name and its text."""


class CudaOutOfMemory(CudaFailed):
    """The device (or pinned host memory) has no room."""


class CudaContextLost(CudaFailed):
    """An error that sticks: every later call in this process fails as well."""


class Cuda(Protocol):
    """One device. Every method raises CudaFailed; those that allocate raise CudaOutOfMemory."""

    def allocate(self, size: int) -> DevicePointer: ...

    def free(self, pointer: DevicePointer) -> None: ...

    def pinned(self, size: int) -> Array:
        """`size` bytes of page-locked host memory, uint8 `[size]`; freed with `free_pinned`."""
        ...

    def free_pinned(self, buffer: Array) -> None: ...

    def create_stream(self) -> Stream: ...

    def destroy_stream(self, stream: Stream) -> None: ...

    def copy_in(self, target: DevicePointer, source: Array, stream: Stream) -> None:
        """Host (contiguous) to device, asynchronous where the host memory is pinned."""
        ...

    def copy_out(self, target: Array, source: DevicePointer, stream: Stream) -> None:
        """Device to host (contiguous), asynchronous where the host memory is pinned."""
        ...

    def copy_on_device(
        self, target: DevicePointer, source: DevicePointer, size: int, stream: Stream
    ) -> None: ...

    def zero(self, target: DevicePointer, size: int, stream: Stream) -> None: ...

    def load_row_moves(self) -> None:
        """Make `gather` and `scatter` ready; they cannot be used where this fails."""
        ...

    def gather(
        self,
        batch: DevicePointer,
        table: DevicePointer,
        places: DevicePointer,
        rows: int,
        row_bytes: int,
        stream: Stream,
    ) -> None:
        """Copy row `places[i]`, int32, of the table to row `i` of the batch, unless it is negative."""
        ...

    def scatter(
        self,
        table: DevicePointer,
        batch: DevicePointer,
        places: DevicePointer,
        rows: int,
        row_bytes: int,
        stream: Stream,
    ) -> None:
        """Copy row `i` of the batch to row `places[i]` of the table, unless it is negative."""
        ...

    def synchronize(self, stream: Stream) -> None:
        """Block until everything queued on `stream` is done."""
        ...

    def create_event(self) -> Event: ...

    def destroy_event(self, event: Event) -> None: ...

    def record(self, event: Event, stream: Stream) -> None: ...

    def wait(self, stream: Stream, event: Event) -> None:
        """Work queued on `stream` from now on starts after `event`."""
        ...

    def wait_for(self, event: Event) -> None:
        """Block until `event` has happened."""
        ...

    def elapsed_s(self, start: Event, end: Event) -> float: ...

    def begin_capture(self, stream: Stream) -> None: ...

    def end_capture(self, stream: Stream) -> Graph:
        """The captured work, instantiated; also after a failure, to take the stream out of capture."""
        ...

    def launch(self, graph: Graph, stream: Stream) -> None: ...

    def destroy_graph(self, graph: Graph) -> None: ...
