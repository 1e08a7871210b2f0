"""Two kernels that move rows between a table and a batch, compiled for the GPU at hand when first used."""

from __future__ import annotations

import ctypes
import functools
import importlib
from typing import Any

from service.backends.cuda import CudaContextLost, CudaFailed, CudaOutOfMemory

# A block a row, and words of four bytes: every state is float32. A place below zero leaves its row alone.
_SOURCE = b"""
extern "C" __global__ void gather_rows(
    unsigned int* batch, const unsigned int* table, const int* places, unsigned int words)
{
    const int place = places[blockIdx.x];
    if (place < 0) return;
    const size_t to = (size_t)blockIdx.x * words, from = (size_t)place * words;
    for (unsigned int i = threadIdx.x; i < words; i += blockDim.x) batch[to + i] = table[from + i];
}

extern "C" __global__ void scatter_rows(
    unsigned int* table, const unsigned int* batch, const int* places, unsigned int words)
{
    const int place = places[blockIdx.x];
    if (place < 0) return;
    const size_t to = (size_t)place * words, from = (size_t)blockIdx.x * words;
    for (unsigned int i = threadIdx.x; i < words; i += blockDim.x) table[to + i] = batch[from + i];
}
"""
_ARGUMENTS = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint)
_WARP, _MOST_THREADS = 32, 256
# After these the context is unusable, as after the runtime's; any other error is one call's.
_STICKY = {
    "CUDA_ERROR_ASSERT",
    "CUDA_ERROR_CONTAINED",
    "CUDA_ERROR_CONTEXT_IS_DESTROYED",
    "CUDA_ERROR_DEVICE_UNAVAILABLE",
    "CUDA_ERROR_ECC_UNCORRECTABLE",
    "CUDA_ERROR_EXTERNAL_DEVICE",
    "CUDA_ERROR_HARDWARE_STACK_ERROR",
    "CUDA_ERROR_ILLEGAL_ADDRESS",
    "CUDA_ERROR_ILLEGAL_INSTRUCTION",
    "CUDA_ERROR_INVALID_ADDRESS_SPACE",
    "CUDA_ERROR_INVALID_PC",
    "CUDA_ERROR_LAUNCH_FAILED",
    "CUDA_ERROR_LAUNCH_TIMEOUT",
    "CUDA_ERROR_MISALIGNED_ADDRESS",
    "CUDA_ERROR_MPS_CLIENT_TERMINATED",
    "CUDA_ERROR_NVLINK_UNCORRECTABLE",
    "CUDA_ERROR_TENSOR_MEMORY_LEAK",
    "CUDA_ERROR_UNKNOWN",
}


@functools.cache
def compiled(architecture: str) -> bytes:
    """The kernels' machine code for an architecture such as `sm_90`; needs no GPU. Raises CudaFailed.

    Not PTX: the driver may be older than the compiler, and would not read it.
    """
    nvrtc = _bindings("nvrtc")
    try:
        program = _value("nvrtcCreateProgram", nvrtc.nvrtcCreateProgram(_SOURCE, b"rows.cu", 0, [], []))
    except RuntimeError as failure:
        raise CudaFailed(f"NVRTC, which compiles the kernels, is not here: {failure}") from failure
    try:
        options = [f"--gpu-architecture={architecture}".encode()]
        _value("nvrtcCompileProgram", nvrtc.nvrtcCompileProgram(program, len(options), options))
        size = int(_value("nvrtcGetCUBINSize", nvrtc.nvrtcGetCUBINSize(program)))
        code = b"\0" * size
        _value("nvrtcGetCUBIN", nvrtc.nvrtcGetCUBIN(program, code))
    finally:
        nvrtc.nvrtcDestroyProgram(program)
    return code


@functools.cache
def row_kernels(device: int, architecture: str) -> RowKernels:
    """The kernels in the calling thread's context, which is the device's for the life of the process."""
    return RowKernels(compiled(architecture), _bindings("driver"))


class RowKernels:
    """Kernels that are loaded; each call raises CudaFailed."""

    def __init__(self, code: bytes, driver: Any) -> None:
        self._driver = driver
        module = self._call("cuModuleLoadData", code)
        self._gather = self._call("cuModuleGetFunction", module, b"gather_rows")
        self._scatter = self._call("cuModuleGetFunction", module, b"scatter_rows")

    def gather(self, batch: int, table: int, places: int, rows: int, row_bytes: int, stream: int) -> None:
        self._launch(self._gather, (batch, table, places, row_bytes // 4), rows, stream)

    def scatter(self, table: int, batch: int, places: int, rows: int, row_bytes: int, stream: int) -> None:
        self._launch(self._scatter, (table, batch, places, row_bytes // 4), rows, stream)

    def _launch(self, kernel: Any, arguments: tuple[int, int, int, int], rows: int, stream: int) -> None:
        words = arguments[3]
        threads = min(-(-words // _WARP) * _WARP, _MOST_THREADS)
        self._call("cuLaunchKernel", kernel, rows, 1, 1, threads, 1, 1, 0, stream, (arguments, _ARGUMENTS), 0)

    def _call(self, name: str, *arguments: Any) -> Any:
        return _value(name, getattr(self._driver, name)(*arguments))


def _bindings(name: str) -> Any:
    try:
        return importlib.import_module(f"cuda.bindings.{name}")
    except ImportError as failure:
        raise CudaFailed(f"cuda.bindings.{name} cannot be imported: {failure}") from failure


def _value(name: str, answer: Any) -> Any:
    """A call's value, None where it has none."""
    error, *values = answer
    if not error.value:
        return values[0] if values else None
    message = f"{name}: {error.name}"
    if error.name == "CUDA_ERROR_OUT_OF_MEMORY":
        raise CudaOutOfMemory(message)
    raise CudaContextLost(message) if error.name in _STICKY else CudaFailed(message)
