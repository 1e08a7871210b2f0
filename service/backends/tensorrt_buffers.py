"""The memory that batches pass through: pinned on the host, its twin on the device, grown and used again."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np

from service.backends.cuda import Cuda, CudaFailed, DevicePointer, Event, Stream
from service.domain.signature import LENGTHS
from service.domain.tensors import Array, Shape

_NOTHING: Array = np.empty(0, np.uint8)


class DeviceMemory:
    """One allocation that grows; its address changes only when it does."""

    def __init__(self, cuda: Cuda) -> None:
        self._cuda = cuda
        self.pointer = DevicePointer(0)
        self.size = 0

    def reserve(self, size: int) -> None:
        """Make room; where there was too little, what was in it is lost and nothing may be in flight."""
        if size > self.size:
            # Freed first: the old and the new together may not fit.
            self.free()
            self.pointer = self._cuda.allocate(size)
            self.size = size

    def free(self) -> None:
        pointer, self.pointer, self.size = self.pointer, DevicePointer(0), 0
        if pointer:
            self._cuda.free(pointer)


class TensorBuffer:
    """One tensor's pinned memory and device memory, for whatever shape it has in a batch."""

    def __init__(self, cuda: Cuda, dtype: np.dtype[Any]) -> None:
        self._cuda = cuda
        self._dtype = dtype
        self._device = DeviceMemory(cuda)
        self._pinned = _NOTHING

    @property
    def pointer(self) -> DevicePointer:
        return self._device.pointer

    def bytes_of(self, shape: Shape) -> int:
        return math.prod(shape) * self._dtype.itemsize

    def has_room(self, shape: Shape) -> bool:
        size = self.bytes_of(shape)
        return size <= len(self._pinned) and size <= self._device.size

    def reserve(self, shape: Shape) -> None:
        """Make room on both sides; what was in them may be lost."""
        # In powers of two: a batch a little larger than the last must not move everything again.
        size = 1 << (self.bytes_of(shape) - 1).bit_length()
        if len(self._pinned) < size:
            self._free_pinned()
            self._pinned = self._cuda.pinned(size)
        self._device.reserve(size)

    def host(self, shape: Shape) -> Array:
        """The pinned memory as an array of this shape, for which there is room."""
        return self._pinned[: self.bytes_of(shape)].view(self._dtype).reshape(shape)

    def copy_in(self, shape: Shape, filled: Shape, stream: Stream) -> None:
        """Copy what is filled, the leading part of the whole, and zero the rest."""
        self._cuda.copy_in(self.pointer, self.host(filled), stream)
        self._zero_past(filled, shape, stream)

    def copy_out(self, shape: Shape, stream: Stream) -> None:
        self._cuda.copy_out(self.host(shape), self.pointer, stream)

    def copy_from(self, other: TensorBuffer, shape: Shape, filled: Shape, stream: Stream) -> None:
        """The leading part of another tensor, on the device; the rest is zeroed."""
        self._cuda.copy_on_device(self.pointer, other.pointer, self.bytes_of(filled), stream)
        self._zero_past(filled, shape, stream)

    def free(self) -> None:
        free_all((self._free_pinned, self._device.free))

    def _zero_past(self, filled: Shape, shape: Shape, stream: Stream) -> None:
        start, size = self.bytes_of(filled), self.bytes_of(shape)
        if start < size:
            self._cuda.zero(DevicePointer(self.pointer + start), size - start, stream)

    def _free_pinned(self) -> None:
        pinned, self._pinned = self._pinned, _NOTHING
        if len(pinned):
            self._cuda.free_pinned(pinned)


class BufferSet:
    """Everything one piece in flight needs for itself: its tensors, and events that order its copies."""

    def __init__(self, cuda: Cuda, dtypes: dict[str, np.dtype[Any]], inputs: frozenset[str]) -> None:
        self._cuda = cuda
        self._inputs = inputs
        self._events: list[Event] = []
        self.is_free = True
        self.tensors = {name: TensorBuffer(cuda, dtype) for name, dtype in dtypes.items()}
        # Where in a table of states the rows come from, and where they go: int32 `[rows]` each.
        self.sources = TensorBuffer(cuda, np.dtype(np.int32))
        self.targets = TensorBuffer(cuda, np.dtype(np.int32))

    def create_events(self) -> None:
        """Apart from the constructor, so that what was created before a failure can be freed."""
        for _ in range(4):
            self._events.append(self._cuda.create_event())

    @property
    def arrived(self) -> Event:
        """The inputs are on the device."""
        return self._events[0]

    @property
    def begun(self) -> Event:
        return self._events[1]

    @property
    def computed(self) -> Event:
        return self._events[2]

    @property
    def returned(self) -> Event:
        """The outputs are on the host."""
        return self._events[3]

    def is_input(self, name: str) -> bool:
        return name in self._inputs

    def has_room(self, shapes: dict[str, Shape]) -> bool:
        return all(buffer.has_room(shape) for buffer, shape in self._sized(shapes))

    def reserve(self, shapes: dict[str, Shape]) -> None:
        """Make room for these shapes; addresses change where there was too little."""
        for buffer, shape in self._sized(shapes):
            buffer.reserve(shape)

    def free(self) -> None:
        events, self._events = self._events, []
        free_all(partial(self._cuda.destroy_event, event) for event in events)
        free_all(buffer.free for buffer in (*self.tensors.values(), self.sources, self.targets))

    def _sized(self, shapes: dict[str, Shape]) -> Iterator[tuple[TensorBuffer, Shape]]:
        for name, shape in shapes.items():
            yield self.tensors[name], shape
        rows = shapes[LENGTHS]
        yield self.sources, rows
        yield self.targets, rows


def free_all(frees: Iterable[Callable[[], None]]) -> None:
    """Call them all, also past failures."""
    for free in frees:
        with contextlib.suppress(CudaFailed):
            free()
