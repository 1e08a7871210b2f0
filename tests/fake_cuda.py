"""A CUDA that moves real bytes, as late as it may: nothing happens before somebody waits for it.

With a seed it runs queued work at random moments instead. Fresh memory is full of ones (NaN as float32).
What a program must not do (use freed memory, free what is in use, copy from pageable memory) is an
AssertionError; what may go wrong on a real device is raised where a test says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sized
from itertools import count

import numpy as np
from fake_memory import FakeMemory
from fake_streams import FakeStreams, Work

from service.backends.cuda import (
    CudaContextLost,
    CudaFailed,
    CudaOutOfMemory,
    DevicePointer,
    Event,
    Graph,
    Stream,
)
from service.domain.tensors import Array


class FakeCuda:
    """One device.

    `fails_at` maps the number of a call (from 1, over all calls) to what it raises, `refuses` a call's name;
    `room` is what can be allocated at once, in bytes.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.fails_at: dict[int, Exception] = {}
        self.refuses: dict[str, Exception] = {}
        self.room: int | None = None
        self.lost: CudaContextLost | None = None
        self.calls: Counter[str] = Counter()
        self.memory = FakeMemory()
        self.host = FakeMemory()
        self.streams = FakeStreams(seed)
        self._handles = count(1)
        self._graphs: dict[Graph, list[Work]] = {}

    def alive(self) -> dict[str, int]:
        """How much of everything was made and not freed; empty after a clean end."""
        made: dict[str, Sized] = {"memory": self.memory, "pinned": self.host, "graphs": self._graphs}
        made |= {"streams": self.streams.queues, "events": self.streams.events}
        return {name: len(kind) for name, kind in made.items() if len(kind)}

    def enqueue(self, stream: Stream, run: Callable[[], None], touches: Iterable[int] = ()) -> None:
        """Queue work, as a kernel launch does; `touches` says where the memory begins that it uses."""
        self.streams.enqueue(stream, Work(run, frozenset(touches)))

    def is_capturing(self, stream: Stream) -> bool:
        return self.streams.queues[stream].captured is not None

    def spoil_capture(self, stream: Stream) -> None:
        self.streams.queues[stream].is_spoilt = True

    def allocate(self, size: int) -> DevicePointer:
        self._call("allocate", during_capture=False)
        if self.room is not None and self.memory.used + size > self.room:
            raise CudaOutOfMemory("cudaMalloc: cudaErrorMemoryAllocation: out of memory")
        return DevicePointer(self.memory.allocate(size))

    def free(self, pointer: DevicePointer) -> None:
        self._call("free", during_capture=False)
        self._assert_idle(pointer)
        self.memory.free(pointer)

    def pinned(self, size: int) -> Array:
        self._call("pinned", during_capture=False)
        return self.host.pin(size)

    def free_pinned(self, buffer: Array) -> None:
        self._call("free_pinned", during_capture=False)
        self._assert_idle(buffer.ctypes.data)
        self.host.free(buffer.ctypes.data)

    def create_stream(self) -> Stream:
        self._call("create_stream")
        return self.streams.create()

    def destroy_stream(self, stream: Stream) -> None:
        self._call("destroy_stream")
        self.streams.destroy(stream)

    def copy_in(self, target: DevicePointer, source: Array, stream: Stream) -> None:
        self._call("copy_in")
        self._copy(self.memory, target, self.host, source.ctypes.data, _size(source), stream)

    def copy_out(self, target: Array, source: DevicePointer, stream: Stream) -> None:
        self._call("copy_out")
        self._copy(self.host, target.ctypes.data, self.memory, source, _size(target), stream)

    def copy_on_device(self, target: DevicePointer, source: DevicePointer, size: int, stream: Stream) -> None:
        self._call("copy_on_device")
        self._copy(self.memory, target, self.memory, source, size, stream)

    def zero(self, target: DevicePointer, size: int, stream: Stream) -> None:
        self._call("zero")

        def run() -> None:
            self.memory.view(target, size)[:] = 0

        self.enqueue(stream, run, [self.memory.block(target)])

    def load_row_moves(self) -> None:
        self._call("load_row_moves", during_capture=False)

    def gather(
        self,
        batch: DevicePointer,
        table: DevicePointer,
        places: DevicePointer,
        rows: int,
        row_bytes: int,
        stream: Stream,
    ) -> None:
        self._call("gather")

        def run() -> None:
            for row, place in self._moved(places, rows):
                self._copy_row(batch + row * row_bytes, table + place * row_bytes, row_bytes)

        self.enqueue(stream, run, map(self.memory.block, (batch, table, places)))

    def scatter(
        self,
        table: DevicePointer,
        batch: DevicePointer,
        places: DevicePointer,
        rows: int,
        row_bytes: int,
        stream: Stream,
    ) -> None:
        self._call("scatter")

        def run() -> None:
            for row, place in self._moved(places, rows):
                self._copy_row(table + place * row_bytes, batch + row * row_bytes, row_bytes)

        self.enqueue(stream, run, map(self.memory.block, (batch, table, places)))

    def synchronize(self, stream: Stream) -> None:
        if not self.is_capturing(stream):
            # An error is told when the work is over, not instead of it.
            self.streams.finish(stream)
        self._call("synchronize", during_capture=False)

    def create_event(self) -> Event:
        self._call("create_event")
        return self.streams.create_event()

    def destroy_event(self, event: Event) -> None:
        self._call("destroy_event")
        del self.streams.events[event]

    def record(self, event: Event, stream: Stream) -> None:
        self._call("record")
        self.streams.record(event, stream)

    def wait(self, stream: Stream, event: Event) -> None:
        self._call("wait")
        place = self.streams.recorded(event)
        self.enqueue(stream, lambda: self.streams.run_until(*place))

    def wait_for(self, event: Event) -> None:
        self._call("wait_for", during_capture=False)
        self.streams.run_until(*self.streams.recorded(event))

    def elapsed_s(self, start: Event, end: Event) -> float:
        self._call("elapsed_s")
        return self.streams.elapsed_s(start, end)

    def begin_capture(self, stream: Stream) -> None:
        self._call("begin_capture")
        self.streams.queues[stream].captured = []

    def end_capture(self, stream: Stream) -> Graph:
        queue = self.streams.queues[stream]
        work, queue.captured = queue.captured, None
        is_spoilt, queue.is_spoilt = queue.is_spoilt, False
        self._call("end_capture")
        assert work is not None, "the end of a capture that nobody began"
        if is_spoilt:
            raise CudaFailed("cudaStreamEndCapture: cudaErrorStreamCaptureInvalidated: the capture is void")
        graph = Graph(next(self._handles))
        self._graphs[graph] = work
        return graph

    def launch(self, graph: Graph, stream: Stream) -> None:
        self._call("launch")
        for work in self._graphs[graph]:
            self.enqueue(stream, work.run, work.touches)

    def destroy_graph(self, graph: Graph) -> None:
        self._call("destroy_graph")
        del self._graphs[graph]

    def _call(self, name: str, during_capture: bool = True) -> None:
        self.calls[name] += 1
        failure = self.lost or self.fails_at.get(self.calls.total()) or self.refuses.get(name)
        if isinstance(failure, CudaContextLost):
            self.lost = failure
        if failure:
            try:
                raise failure
            finally:
                # Or else the failure would keep this frame, which keeps the failure.
                del failure
        capturing = [queue for queue in self.streams.queues.values() if queue.captured is not None]
        if capturing and not during_capture:
            capturing[0].is_spoilt = True
            raise CudaFailed(f"{name}: cudaErrorStreamCaptureUnsupported: not permitted during capture")

    def _copy(
        self, to: FakeMemory, target: int, of: FakeMemory, source: int, size: int, stream: Stream
    ) -> None:
        def run() -> None:
            to.view(target, size)[:] = of.view(source, size)

        self.enqueue(stream, run, [to.block(target), of.block(source)])

    def _moved(self, places: int, rows: int) -> list[tuple[int, int]]:
        found = self.memory.view(places, 4 * rows).view(np.int32).tolist()
        return [(row, place) for row, place in enumerate(found) if place >= 0]

    def _copy_row(self, target: int, source: int, size: int) -> None:
        self.memory.view(target, size)[:] = self.memory.view(source, size)

    def _assert_idle(self, address: int) -> None:
        assert all(address not in work.touches for work in self.streams.unfinished()), (
            "memory in use was freed"
        )


def _size(array: Array) -> int:
    assert array.flags.c_contiguous, "a copy of an array that is not contiguous"
    return array.nbytes
