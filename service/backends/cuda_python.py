"""CUDA's runtime through cuda-python: every call's error checked, and named."""

from __future__ import annotations

import ctypes
import importlib
import threading
from typing import Any

import numpy as np

from service.backends.cuda import (
    CudaContextLost,
    CudaFailed,
    CudaOutOfMemory,
    DevicePointer,
    Event,
    Graph,
    Stream,
)
from service.backends.cuda_rows import RowKernels, row_kernels
from service.domain.tensors import Array

_STICKY = {
    "cudaErrorAssert",
    "cudaErrorContained",
    "cudaErrorContextIsDestroyed",
    "cudaErrorDevicesUnavailable",
    "cudaErrorECCUncorrectable",
    "cudaErrorExternalDevice",
    "cudaErrorHardwareStackError",
    "cudaErrorIllegalAddress",
    "cudaErrorIllegalInstruction",
    "cudaErrorInvalidAddressSpace",
    "cudaErrorInvalidPc",
    "cudaErrorLaunchFailure",
    "cudaErrorLaunchTimeout",
    "cudaErrorMisalignedAddress",
    "cudaErrorMpsClientTerminated",
    "cudaErrorNvlinkUncorrectable",
    "cudaErrorTensorMemoryLeak",
    "cudaErrorUnknown",
}


class CudaPython:
    """One NVIDIA device of this process, for any of its threads.

    Nothing is asked of the driver before the first call, so that a machine without one can import and
    construct this; the call then raises CudaFailed.
    """

    def __init__(self, device: int = 0, runtime: Any = None) -> None:
        self._device = device
        self._runtime = runtime if runtime is not None else _bindings()
        self._thread = threading.local()
        self._rows: RowKernels | None = None

    def allocate(self, size: int) -> DevicePointer:
        return DevicePointer(int(self._call("cudaMalloc", size)))

    def free(self, pointer: DevicePointer) -> None:
        self._call("cudaFree", pointer)

    def pinned(self, size: int) -> Array:
        address = int(self._call("cudaHostAlloc", size, self._runtime.cudaHostAllocDefault))
        return np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address))

    def free_pinned(self, buffer: Array) -> None:
        self._call("cudaFreeHost", buffer.ctypes.data)

    def create_stream(self) -> Stream:
        # Non-blocking: the default stream, which other libraries use, must not hold ours up.
        return Stream(int(self._call("cudaStreamCreateWithFlags", self._runtime.cudaStreamNonBlocking)))

    def destroy_stream(self, stream: Stream) -> None:
        self._call("cudaStreamDestroy", stream)

    def copy_in(self, target: DevicePointer, source: Array, stream: Stream) -> None:
        self._copy(target, source.ctypes.data, source.nbytes, "cudaMemcpyHostToDevice", stream)

    def copy_out(self, target: Array, source: DevicePointer, stream: Stream) -> None:
        self._copy(target.ctypes.data, source, target.nbytes, "cudaMemcpyDeviceToHost", stream)

    def copy_on_device(self, target: DevicePointer, source: DevicePointer, size: int, stream: Stream) -> None:
        self._copy(target, source, size, "cudaMemcpyDeviceToDevice", stream)

    def zero(self, target: DevicePointer, size: int, stream: Stream) -> None:
        self._call("cudaMemsetAsync", target, 0, size, stream)

    def load_row_moves(self) -> None:
        attributes = self._runtime.cudaDeviceAttr
        major = self._call(
            "cudaDeviceGetAttribute", attributes.cudaDevAttrComputeCapabilityMajor, self._device
        )
        minor = self._call(
            "cudaDeviceGetAttribute", attributes.cudaDevAttrComputeCapabilityMinor, self._device
        )
        self._rows = row_kernels(self._device, f"sm_{major}{minor}")

    def gather(
        self,
        batch: DevicePointer,
        table: DevicePointer,
        places: DevicePointer,
        rows: int,
        row_bytes: int,
        stream: Stream,
    ) -> None:
        self._row_kernels().gather(batch, table, places, rows, row_bytes, stream)

    def scatter(
        self,
        table: DevicePointer,
        batch: DevicePointer,
        places: DevicePointer,
        rows: int,
        row_bytes: int,
        stream: Stream,
    ) -> None:
        self._row_kernels().scatter(table, batch, places, rows, row_bytes, stream)

    def synchronize(self, stream: Stream) -> None:
        self._call("cudaStreamSynchronize", stream)

    def create_event(self) -> Event:
        return Event(int(self._call("cudaEventCreateWithFlags", self._runtime.cudaEventDefault)))

    def destroy_event(self, event: Event) -> None:
        self._call("cudaEventDestroy", event)

    def record(self, event: Event, stream: Stream) -> None:
        self._call("cudaEventRecord", event, stream)

    def wait(self, stream: Stream, event: Event) -> None:
        self._call("cudaStreamWaitEvent", stream, event, self._runtime.cudaEventWaitDefault)

    def wait_for(self, event: Event) -> None:
        self._call("cudaEventSynchronize", event)

    def elapsed_s(self, start: Event, end: Event) -> float:
        return float(self._call("cudaEventElapsedTime", start, end)) / 1000

    def begin_capture(self, stream: Stream) -> None:
        # Thread-local: another engine's allocation on another thread must not spoil this capture.
        mode = self._runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self._call("cudaStreamBeginCapture", stream, mode)

    def end_capture(self, stream: Stream) -> Graph:
        captured = self._call("cudaStreamEndCapture", stream)
        try:
            return Graph(int(self._call("cudaGraphInstantiate", captured, 0)))
        finally:
            self._call("cudaGraphDestroy", captured)

    def launch(self, graph: Graph, stream: Stream) -> None:
        self._call("cudaGraphLaunch", graph, stream)

    def destroy_graph(self, graph: Graph) -> None:
        self._call("cudaGraphExecDestroy", graph)

    def _row_kernels(self) -> RowKernels:
        if self._rows is None:
            raise CudaFailed("rows are moved before the kernels are loaded. This is a bug.")
        self._on_device()
        return self._rows

    def _copy(self, target: int, source: int, size: int, kind: str, stream: Stream) -> None:
        self._call(
            "cudaMemcpyAsync", target, source, size, getattr(self._runtime.cudaMemcpyKind, kind), stream
        )

    def _call(self, name: str, *arguments: Any) -> Any:
        """The call's value (None where it has none); the calling thread is put on the device first."""
        self._on_device()
        return self._checked(name, getattr(self._runtime, name)(*arguments))

    def _on_device(self) -> None:
        if not getattr(self._thread, "has_device", False):
            self._checked("cudaSetDevice", self._runtime.cudaSetDevice(self._device))
            self._thread.has_device = True

    def _checked(self, name: str, answer: Any) -> Any:
        error, *values = answer
        if error != self._runtime.cudaError_t.cudaSuccess:
            raise self._failure(name, error)
        return values[0] if values else None

    def _failure(self, name: str, error: Any) -> CudaFailed:
        # The runtime remembers the last error until it is asked; TensorRT would take it for its own.
        self._runtime.cudaGetLastError()
        message = f"{name}: {error.name}: {self._runtime.cudaGetErrorString(error)[1].decode()}"
        if error.name == "cudaErrorMemoryAllocation":
            return CudaOutOfMemory(message)
        return CudaContextLost(message) if error.name in _STICKY else CudaFailed(message)


def _bindings() -> Any:
    try:
        return importlib.import_module("cuda.bindings.runtime")
    except ImportError as failure:
        message = f"cuda-python cannot be imported ({failure}): expected the package cuda-bindings"
        raise CudaFailed(message) from failure
