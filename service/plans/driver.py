"""Is there an NVIDIA driver with a GPU? Asked of libcuda alone, before anything touches TensorRT.

Without a driver full TensorRT hands out objects that crash the process on first use, so nothing may
call it before this has answered with a Gpu.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

_LIBRARY = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
_NAME_BYTES = 256
# CUdevice_attribute of cuda.h.
_COMPUTE_CAPABILITY_MAJOR = 75
_COMPUTE_CAPABILITY_MINOR = 76


@dataclass(frozen=True, slots=True)
class Gpu:
    """The GPU that plans are built for; `cuda` is the newest CUDA version its driver runs."""

    name: str
    compute_capability: tuple[int, int]
    memory_bytes: int
    cuda: tuple[int, int]

    def __str__(self) -> str:
        major, minor = self.compute_capability
        return f"{self.name} (compute capability {major}.{minor})"


@dataclass(frozen=True, slots=True)
class NoGpu:
    """There is none that can be used, and why."""

    reason: str


Device: TypeAlias = Gpu | NoGpu


class _CallFailed(Exception):
    """A driver call failed; holds its name and the driver's words."""


def find_gpu(open_library: Callable[[str], Any] = ctypes.CDLL) -> Device:
    """The first GPU that CUDA_VISIBLE_DEVICES leaves visible."""
    try:
        library = open_library(_LIBRARY)
    except OSError as failure:
        return NoGpu(f"no NVIDIA driver: {failure}")
    try:
        return _first_gpu(_Driver(library))
    except (_CallFailed, AttributeError) as failure:
        return NoGpu(f"the NVIDIA driver does not work: {failure}")


def _first_gpu(driver: _Driver) -> Device:
    driver.call("cuInit", 0)
    if driver.integer("cuDeviceGetCount") == 0:
        return NoGpu("the NVIDIA driver shows no GPU")
    device = driver.integer("cuDeviceGet", 0)
    name = ctypes.create_string_buffer(_NAME_BYTES)
    driver.call("cuDeviceGetName", name, _NAME_BYTES, device)
    memory = ctypes.c_size_t()
    driver.call("cuDeviceTotalMem_v2", ctypes.byref(memory), device)
    version = driver.integer("cuDriverGetVersion")
    return Gpu(
        name=name.value.decode(errors="replace"),
        compute_capability=(
            driver.integer("cuDeviceGetAttribute", _COMPUTE_CAPABILITY_MAJOR, device),
            driver.integer("cuDeviceGetAttribute", _COMPUTE_CAPABILITY_MINOR, device),
        ),
        memory_bytes=memory.value,
        cuda=(version // 1000, version % 1000 // 10),
    )


class _Driver:
    """The driver's C functions, with every result checked."""

    def __init__(self, library: Any) -> None:
        self._library = library

    def call(self, name: str, *arguments: Any) -> None:
        code = getattr(self._library, name)(*arguments)
        if code:
            raise _CallFailed(f"{name}: {self._words(code)}")

    def integer(self, name: str, *arguments: Any) -> int:
        """The value of a function whose first parameter receives an int."""
        value = ctypes.c_int()
        self.call(name, ctypes.byref(value), *arguments)
        return value.value

    def _words(self, code: int) -> str:
        text = ctypes.c_char_p()
        is_known = self._library.cuGetErrorString(code, ctypes.byref(text)) == 0
        words = (text.value or b"").decode(errors="replace") if is_known else "unknown error"
        return f"{words} ({code})"
