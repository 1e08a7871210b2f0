"""The kernels that move rows: compiled without a GPU, launched as the driver takes it, refused by name."""

from __future__ import annotations

import ctypes
from enum import Enum
from types import SimpleNamespace

import pytest

from service.backends import cuda_rows
from service.backends.cuda import CudaContextLost, CudaFailed, CudaOutOfMemory
from service.backends.cuda_python import CudaPython
from service.backends.cuda_rows import RowKernels, compiled


class Result(Enum):
    CUDA_SUCCESS = 0
    CUDA_ERROR_INVALID_VALUE = 1
    CUDA_ERROR_OUT_OF_MEMORY = 2
    CUDA_ERROR_ILLEGAL_ADDRESS = 700
    CUDA_ERROR_STREAM_CAPTURE_IMPLICIT = 906


class Driver(SimpleNamespace):
    """The driver's bindings, with every launch noted; `fails` is what launches return."""

    def __init__(self) -> None:
        super().__init__(launches=[], fails=Result.CUDA_SUCCESS)

    def cuModuleLoadData(self, code: bytes):  # noqa: N802 - CUDA's names, here and below
        return Result.CUDA_SUCCESS, f"module of {code.decode()}"

    def cuModuleGetFunction(self, module: str, name: bytes):  # noqa: N802
        return Result.CUDA_SUCCESS, f"{name.decode()} in {module}"

    def cuLaunchKernel(self, *arguments):  # noqa: N802
        self.launches.append(arguments)
        return (self.fails,)


@pytest.mark.parametrize("architecture", ["sm_75", "sm_90", "sm_120"])
def test_they_are_compiled_to_machine_code_for_an_architecture(architecture):
    pytest.importorskip("cuda.bindings.nvrtc")
    code = compiled(architecture)
    assert code.startswith(b"\x7fELF")
    assert b"gather_rows" in code
    assert b"scatter_rows" in code


def test_an_architecture_that_the_compiler_does_not_know_is_refused():
    with pytest.raises(CudaFailed, match="nvrtcCompileProgram: NVRTC_ERROR_INVALID_OPTION"):
        compiled("sm_1")


def test_a_machine_without_the_compiler_is_told_so(monkeypatch):
    def nowhere(*_: object):
        raise RuntimeError("libnvrtc.so.13 is not found")

    monkeypatch.setattr(cuda_rows, "_bindings", lambda _: SimpleNamespace(nvrtcCreateProgram=nowhere))
    with pytest.raises(CudaFailed, match=r"NVRTC, .*, is not here: libnvrtc"):
        compiled.__wrapped__("sm_90")


def test_a_block_moves_a_row_with_as_many_threads_as_it_has_words_in_whole_warps():
    driver = Driver()
    kernels = RowKernels(b"code", driver)
    kernels.gather(1, 2, 3, rows=7, row_bytes=4 * 40, stream=9)
    kernels.scatter(1, 2, 3, rows=1, row_bytes=4 * 5000, stream=9)
    types = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint)
    assert driver.launches == [
        ("gather_rows in module of code", 7, 1, 1, 64, 1, 1, 0, 9, ((1, 2, 3, 40), types), 0),
        ("scatter_rows in module of code", 1, 1, 1, 256, 1, 1, 0, 9, ((1, 2, 3, 5000), types), 0),
    ]


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        (Result.CUDA_ERROR_INVALID_VALUE, CudaFailed),
        (Result.CUDA_ERROR_OUT_OF_MEMORY, CudaOutOfMemory),
        (Result.CUDA_ERROR_ILLEGAL_ADDRESS, CudaContextLost),
        # One of many that end a capture, and nothing else.
        (Result.CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, CudaFailed),
    ],
)
def test_a_launch_that_fails_says_so_and_whether_the_device_is_lost(result, kind):
    driver = Driver()
    kernels = RowKernels(b"code", driver)
    driver.fails = result
    with pytest.raises(CudaFailed, match=f"^cuLaunchKernel: {result.name}$") as caught:
        kernels.gather(1, 2, 3, 7, 8, 9)
    assert type(caught.value) is kind


def test_rows_are_not_moved_before_there_are_kernels():
    with pytest.raises(CudaFailed, match="This is a bug"):
        CudaPython(runtime=SimpleNamespace()).gather(1, 2, 3, 4, 8, 5)
