"""The few calls on a TensorRT engine and its contexts, alike in tensorrt 10, tensorrt 11 and TensorRT-RTX."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from service.backends.cuda import DevicePointer, Stream
from service.domain.signature import SEQUENCE
from service.domain.tensors import Shape
from service.plans.flavour import Flavour
from service.plans.profiles import Profile, Profiles, Range

_DTYPES = {"FLOAT": np.float32, "HALF": np.float16, "INT32": np.int32, "INT64": np.int64}
_OUT_OF_MEMORY = (
    "out of memory",
    "out_of_memory",
    "outofmemory",
    "memoryallocation",
    "failed_allocation",
    "could not be allocated",
)


class TensorRtFailed(Exception):
    """TensorRT refused; holds its own words."""


class TensorRtOutOfMemory(TensorRtFailed):
    """TensorRT found no room on the device."""


def never_destroy(objects: object) -> None:
    """Keep them, and all that they refer to, for as long as there is a process."""
    # A reference that nobody gives back: any other is dropped when the interpreter ends.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(objects))


@dataclass(frozen=True, slots=True)
class PlanTensor:
    """An input or output of a plan; what varies in its shape is -1."""

    name: str
    is_input: bool
    dtype: np.dtype[Any]
    shape: Shape


class PlanContext:
    """One execution context, on one profile for good. Its activations live in memory that is lent to it."""

    def __init__(self, context: Any, failure: Callable[[str], TensorRtFailed]) -> None:
        self._context = context
        self._failure = failure

    def set_shape(self, name: str, shape: Shape) -> None:
        if not self._context.set_input_shape(name, shape):
            raise self._failure(f"shape {shape} of {name} is outside the profile")

    def set_address(self, name: str, pointer: DevicePointer) -> None:
        if not self._context.set_tensor_address(name, pointer):
            raise self._failure(f"the address of {name} was refused")

    def activation_bytes(self) -> int:
        """What the shapes that are set need; to be asked after every change of shape, before `lend`."""
        return int(self._context.update_device_memory_size_for_shapes())

    def lend(self, pointer: DevicePointer, size: int) -> None:
        """Memory for the activations, the caller's again once the enqueued work is done."""
        self._context.set_device_memory(pointer, size)

    def enqueue(self, stream: Stream) -> None:
        if not self._context.execute_async_v3(stream):
            raise self._failure("the run was refused")


class PlanEngine:
    """A deserialized plan."""

    def __init__(self, flavour: Flavour, engine: Any, failure: Callable[[str], TensorRtFailed]) -> None:
        self._flavour = flavour
        self._engine = engine
        self._failure = failure
        self._kernel_cache = flavour.create_kernel_cache(engine)

    def tensors(self) -> dict[str, PlanTensor]:
        names = [self._engine.get_tensor_name(index) for index in range(self._engine.num_io_tensors)]
        return {name: self._tensor(name) for name in names}

    def profiles(self) -> Profiles:
        """In the plan's order: what it was really built for."""
        return tuple(self._profile(index) for index in range(self._engine.num_optimization_profiles))

    def create_context(self, profile: int, stream: Stream, is_captured: bool) -> PlanContext:
        """A context on `profile`, for CUDA graphs or not; `stream` is the one it will run on."""
        context = self._flavour.create_context(self._engine, self._kernel_cache, is_captured)
        if context is None:
            raise self._failure("no execution context")
        if not context.set_optimization_profile_async(profile, stream):
            raise self._failure(f"profile {profile} was refused")
        return PlanContext(context, self._failure)

    def _tensor(self, name: str) -> PlanTensor:
        kind = self._engine.get_tensor_dtype(name).name
        if kind not in _DTYPES:
            raise TensorRtFailed(f"tensor {name} is {kind}; expected one of {', '.join(_DTYPES)}")
        is_input = self._engine.get_tensor_mode(name) == self._flavour.trt.TensorIOMode.INPUT
        shape = tuple(int(extent) for extent in self._engine.get_tensor_shape(name))
        return PlanTensor(name, is_input, np.dtype(_DTYPES[kind]), shape)

    def _profile(self, index: int) -> Profile:
        shapes = [tuple(shape) for shape in self._engine.get_tensor_profile_shape(SEQUENCE, index)]
        return Profile(
            Range(*(int(shape[0]) for shape in shapes)), Range(*(int(shape[1]) for shape in shapes))
        )


class TensorRtRuntime:
    """TensorRT as it is installed. Not touched before `deserialize`, and not before there is a driver.

    Without one the full TensorRT does not fail, it crashes: the caller makes sure first.
    """

    def __init__(self, flavour: Flavour) -> None:
        self._flavour = flavour
        self._runtime: Any = None

    @property
    def name(self) -> str:
        """`tensorrt` or `tensorrt-rtx`."""
        return self._flavour.name

    def deserialize(self, plan: bytes) -> PlanEngine:
        """Raises TensorRtFailed where the plan is not one for this version and this device."""
        if self._runtime is None:
            self._runtime = self._flavour.trt.Runtime(self._flavour.logger)
        self._flavour.log.last_errors()
        engine = self._runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise self._failure("the plan cannot be loaded here")
        return PlanEngine(self._flavour, engine, self._failure)

    def _failure(self, what: str) -> TensorRtFailed:
        words = self._flavour.log.last_errors()
        is_memory = any(sign in words.lower() for sign in _OUT_OF_MEMORY)
        message = f"{what}: {words}" if words else what
        return TensorRtOutOfMemory(message) if is_memory else TensorRtFailed(message)
