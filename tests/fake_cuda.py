"""A CUDA that moves real bytes, as late as it may: nothing happens before somebody waits for it.

With a seed it runs queued work at random moments instead. Fresh memory is poisoned, and so is host memory
to which a copy is on its way. What a program must not do (use freed memory, free what is in use, copy from
pageable memory, write to host memory that is being copied, leave the order of two uses to chance) is an
AssertionError and noted in `rules`; what may go wrong on a real device is raised where a test says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sized
from itertools import count

import numpy as np
from fake_memory import FakeMemory
from fake_rows import RowMoves
from fake_rules import Rules
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
        self.rules = Rules()
        self.memory = FakeMemory(self.rules)
        self.host = FakeMemory(self.rules)
        self.streams = FakeStreams(self.rules, seed)
        self._handles = count(1)
        self._graphs: dict[Graph, list[Work]] = {}

    def alive(self) -> dict[str, int]:
        """How much of everything was made and not freed; empty after a clean end."""
        made: dict[str, Sized] = {"memory": self.memory, "pinned": self.host, "graphs": self._graphs}
        made |= {"streams": self.streams.queues, "events": self.streams.events}
        return {name: len(kind) for name, kind in made.items() if len(kind)}

    def enqueue(
        self,
        stream: Stream,
        run: Callable[[], None],
        reads: Iterable[int] = (),
        writes: Iterable[int] = (),
        is_current: Callable[[], bool] = lambda: True,
    ) -> None:
        """Queue work, as a kernel launch does, that uses the device's memory at these addresses."""
        blocks = (frozenset(map(self.memory.block, places)) for places in (reads, writes))
        self.streams.enqueue(stream, Work(run, *blocks, is_current))

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
        self._must_be_idle(pointer)
        self.memory.free(pointer)

    def pinned(self, size: int) -> Array:
        self._call("pinned", during_capture=False)
        return self.host.pin(size)

    def free_pinned(self, buffer: Array) -> None:
        self._call("free_pinned", during_capture=False)
        self._must_be_idle(buffer.ctypes.data)
        self.host.free(buffer.ctypes.data)

    def create_stream(self) -> Stream:
        self._call("create_stream")
        return self.streams.create()

    def destroy_stream(self, stream: Stream) -> None:
        self._call("destroy_stream")
        self.streams.destroy(stream)

    def copy_in(self, target: DevicePointer, source: Array, stream: Stream) -> None:
        self._call("copy_in")
        address, size = source.ctypes.data, self._size(source)
        due = self.host.view(address, size).copy()

        def run() -> None:
            found = self.host.view(address, size)
            self.rules.must(np.array_equal(found, due), "host memory was written that is being copied")
            self.memory.view(target, size)[:] = found

        reads, writes = frozenset([self.host.block(address)]), frozenset([self.memory.block(target)])
        self.streams.enqueue(stream, Work(run, reads, writes))

    def copy_out(self, target: Array, source: DevicePointer, stream: Stream) -> None:
        self._call("copy_out")
        address, size = target.ctypes.data, self._size(target)
        # Whatever was there: from now on nobody knows what is.
        self.host.poison(address, size)

        def run() -> None:
            self.host.view(address, size)[:] = self.memory.view(source, size)

        reads, writes = frozenset([self.memory.block(source)]), frozenset([self.host.block(address)])
        self.streams.enqueue(stream, Work(run, reads, writes))

    def copy_on_device(self, target: DevicePointer, source: DevicePointer, size: int, stream: Stream) -> None:
        self._call("copy_on_device")

        def run() -> None:
            self.memory.view(target, size)[:] = self.memory.view(source, size)

        self.enqueue(stream, run, [source], [target])

    def zero(self, target: DevicePointer, size: int, stream: Stream) -> None:
        self._call("zero")

        def run() -> None:
            self.memory.view(target, size)[:] = 0

        self.enqueue(stream, run, writes=[target])

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
        moves = RowMoves(self.memory, self.rules, table, places, rows, row_bytes)
        self.enqueue(stream, lambda: moves.gather(batch), [table, places], [batch])

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
        moves = RowMoves(self.memory, self.rules, table, places, rows, row_bytes)
        self.enqueue(stream, lambda: moves.scatter(batch), [batch, places], [table])

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
        self.streams.wait(stream, event)

    def wait_for(self, event: Event) -> None:
        self._call("wait_for", during_capture=False)
        self.streams.finish_until(event)

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
        self.rules.must(work is not None, "the end of a capture that nobody began")
        if is_spoilt:
            raise CudaFailed("cudaStreamEndCapture: cudaErrorStreamCaptureInvalidated: the capture is void")
        graph = Graph(next(self._handles))
        self._graphs[graph] = work or []
        return graph

    def launch(self, graph: Graph, stream: Stream) -> None:
        self._call("launch")
        for work in self._graphs[graph]:
            self.rules.must(work.is_current(), "a launch of a graph whose context changed since its capture")
            self.streams.enqueue(stream, work)

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

    def _must_be_idle(self, address: int) -> None:
        is_used = any(address in work.reads | work.writes for work in self.streams.unfinished())
        self.rules.must(not is_used, "memory in use was freed")
        self.streams.order.freed(address)

    def _size(self, array: Array) -> int:
        self.rules.must(array.flags.c_contiguous, "a copy of an array that is not contiguous")
        self.rules.must(array.nbytes > 0, "a copy of nothing")
        return array.nbytes
