"""An execution context that computes when CUDA gets round to it, and which knows TensorRT's rules."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field

import numpy as np
from fake_cuda import FakeCuda
from fake_plans import Plan

from service.backends.cuda import Stream
from service.domain.tensors import Array, Shape
from service.plans.tensorrt_log import TensorRtLog

_PER_STEP_BYTES = 64


@dataclass
class Enqueued:
    """One accepted run: the profile and the shape of its sequence."""

    profile: str
    sequence: Shape
    is_captured: bool


@dataclass
class Diary:
    """What happened to a fake TensorRT, and what it is to refuse.

    `refusals` are the words with which the next runs are refused, `refuses_captured` those for every run
    during a capture; one on an `uncapturable` profile makes the capture void as well.
    """

    log: TensorRtLog = field(default_factory=TensorRtLog)
    refusals: list[str] = field(default_factory=list)
    refuses_captured: str = ""
    uncapturable: set[str] = field(default_factory=set)
    runs: list[Enqueued] = field(default_factory=list)
    contexts: list[str] = field(default_factory=list)


class FakeContext:
    """One context; what it must not be asked is an AssertionError, what it refuses is said in the log."""

    def __init__(self, cuda: FakeCuda, diary: Diary, plan: Plan) -> None:
        self._cuda = cuda
        self._diary = diary
        self._plan = plan
        self._profile: int | None = None
        self._shapes: dict[str, Shape] = {}
        self._addresses: dict[str, int] = {}
        self._needed: int | None = None
        self._lent = (0, 0)
        self._ran: Shape | None = None
        # How often it was changed: a graph captured before the last time must not be launched.
        self._changes = 0

    def __del__(self) -> None:
        if self._cuda.lost is not None:
            self._cuda.rules.broken.append("a context was destroyed on a lost device")

    def set_optimization_profile_async(self, index: int, stream: Stream) -> bool:
        self._profile = index
        self._diary.contexts.append(str(self._plan.profiles[index]))
        return index < len(self._plan.profiles)

    def set_input_shape(self, name: str, shape: Shape) -> bool:
        assert self._profile is not None, "a shape before a profile"
        self._changes += 1
        profile, tensor = self._plan.profiles[self._profile], self._plan.model.tensors[name]
        rows = shape[1] if name == "sequence" else shape[0]
        is_within = rows in profile.rows and (name != "sequence" or shape[0] in profile.steps)
        leading = 2 if name == "sequence" else 1
        if not is_within or shape[leading:] != tensor.shape[leading:]:
            self._diary.log.write("ERROR", f"Static dimension mismatch for {name}: {shape}")
            return False
        self._needed = self._needed if self._shapes.get(name) == shape else None
        self._shapes[name] = shape
        return True

    def set_tensor_address(self, name: str, memory: int) -> bool:
        self._changes += 1
        self._addresses[name] = memory
        return name in self._plan.model.tensors

    def update_device_memory_size_for_shapes(self) -> int:
        assert self._shapes.keys() == {n for n, t in self._plan.model.tensors.items() if t.is_input}
        steps, rows, *_ = self._shapes["sequence"]
        self._needed = steps * rows * _PER_STEP_BYTES
        return self._needed

    def set_device_memory(self, memory: int, size: int) -> None:
        self._changes += 1
        self._lent = (memory, size)

    def execute_async_v3(self, stream: Stream) -> bool:
        is_captured = self._cuda.is_capturing(stream)
        assert self._addresses.keys() == self._plan.model.tensors.keys(), "an address was not set"
        assert self._needed is not None, "shapes changed and the memory they need was not asked for"
        assert self._lent[1] >= self._needed, "too little memory lent"
        if self._diary.refusals:
            self._diary.log.write("ERROR", self._diary.refusals.pop(0))
            return False
        if is_captured and self._diary.refuses_captured:
            self._diary.log.write("ERROR", self._diary.refuses_captured)
            return False
        profile = str(self._plan.profiles[self._profile or 0])
        if is_captured and profile in self._diary.uncapturable:
            self._cuda.spoil_capture(stream)
            self._diary.log.write("ERROR", "operation not permitted when stream is capturing")
            return False
        shape = self._shapes["sequence"]
        assert not is_captured or shape == self._ran, "a capture of a shape that was not run just before"
        self._ran = shape
        self._diary.runs.append(Enqueued(profile, shape, is_captured))
        self._enqueue(stream, dict(self._shapes), dict(self._addresses), self._lent)
        return True

    def _enqueue(
        self, stream: Stream, shapes: dict[str, Shape], addresses: dict[str, int], lent: tuple[int, int]
    ) -> None:
        cuda, model, changes = self._cuda, self._plan.model, self._changes
        # Work does not keep its context alive.
        here = weakref.ref(self)

        def is_current() -> bool:
            context = here()
            return context is not None and context._changes == changes

        def run() -> None:
            context = here()
            cuda.rules.must(context is not None, "a context was destroyed with work of its own in flight")
            assert context is not None
            feeds = {name: context._read(name, shape, addresses[name]) for name, shape in shapes.items()}
            lengths, steps = feeds["lengths"], len(feeds["sequence"])
            cuda.rules.must(1 <= lengths.min() <= lengths.max() <= steps, f"lengths {lengths} of {steps}")
            for name, array in feeds.items():
                cuda.rules.must(_is_written(array), f"{name} has bytes that nobody wrote")
            cuda.memory.view(*lent)[:] = 0xAA
            for name, array in model.compute(feeds).items():
                cuda.memory.view(addresses[name], array.nbytes)[:] = (
                    np.ascontiguousarray(array).reshape(-1).view(np.uint8)
                )

        writes = [place for name, place in addresses.items() if name not in shapes]
        cuda.enqueue(stream, run, [addresses[name] for name in shapes], [*writes, lent[0]], is_current)

    def _read(self, name: str, shape: Shape, address: int) -> Array:
        dtype = np.dtype(self._plan.model.tensors[name].dtype.value)
        size = int(np.prod(shape)) * dtype.itemsize
        return self._cuda.memory.view(address, size).view(dtype).reshape(shape).copy()


def _is_written(array: Array) -> bool:
    """Whether it has no poison in it."""
    if array.dtype.kind == "f":
        return bool(np.isfinite(array).all())
    return bool((array.reshape(-1).view(np.uint8).view(np.uint32) != 0x7FFFFFFF).all())
