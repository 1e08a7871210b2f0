"""CUDA through cuda-python: errors have names, and a machine without a driver says so."""

from __future__ import annotations

import sys
import threading
from enum import Enum
from types import SimpleNamespace

import numpy as np
import pytest

from service.backends import cuda_python, cuda_rows
from service.backends.cuda import CudaContextLost, CudaFailed, CudaOutOfMemory
from service.backends.cuda_python import CudaPython


class Error(Enum):
    cudaSuccess = 0  # noqa: N815 - CUDA's names
    cudaErrorMemoryAllocation = 2  # noqa: N815
    cudaErrorInvalidValue = 1  # noqa: N815
    cudaErrorIllegalAddress = 700  # noqa: N815


class StandIn(SimpleNamespace):
    """The bindings, with every call noted; `answer` is what the calls under test return."""

    def __init__(self, *answer: object) -> None:
        self.noted: list[str] = []
        self.answer = answer
        self.cudaError_t = Error
        self.cudaHostAllocDefault = 0

    def __getattr__(self, name: str):
        def call(*arguments: object) -> tuple[object, ...]:
            self.noted.append(name)
            if name in ("cudaSetDevice", "cudaGetLastError"):
                return (Error.cudaSuccess,)
            return (Error.cudaSuccess, b"its text") if name == "cudaGetErrorString" else self.answer

        return call


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Error.cudaErrorMemoryAllocation, CudaOutOfMemory),
        (Error.cudaErrorIllegalAddress, CudaContextLost),
        (Error.cudaErrorInvalidValue, CudaFailed),
    ],
)
def test_an_error_is_told_with_the_call_its_name_and_its_text(error, kind):
    with pytest.raises(CudaFailed, match=f"^cudaMalloc: {error.name}: its text$") as caught:
        CudaPython(runtime=StandIn(error, None)).allocate(8)
    assert type(caught.value) is kind


def test_an_error_is_taken_from_the_runtime_so_that_nobody_else_finds_it():
    bindings = StandIn(Error.cudaErrorInvalidValue, None)
    with pytest.raises(CudaFailed):
        CudaPython(runtime=bindings).allocate(8)
    assert "cudaGetLastError" in bindings.noted


def test_each_thread_is_put_on_the_device_before_its_first_call():
    bindings = StandIn(Error.cudaSuccess, 64)
    cuda = CudaPython(runtime=bindings)
    cuda.allocate(8)
    cuda.allocate(8)
    thread = threading.Thread(target=cuda.allocate, args=(8,))
    thread.start()
    thread.join()
    assert bindings.noted == ["cudaSetDevice", "cudaMalloc", "cudaMalloc", "cudaSetDevice", "cudaMalloc"]


def test_kernels_are_those_of_the_device_s_architecture(monkeypatch):
    class Bindings(StandIn):
        cudaDeviceAttr = SimpleNamespace(  # noqa: N815 - CUDA's name
            cudaDevAttrComputeCapabilityMajor=8, cudaDevAttrComputeCapabilityMinor=9
        )

        def cudaDeviceGetAttribute(self, attribute: int, device: int):  # noqa: N802 - CUDA's name
            assert device == 3
            return Error.cudaSuccess, attribute

    made = []
    monkeypatch.setattr(cuda_python, "row_kernels", lambda *asked: made.append(asked))
    CudaPython(device=3, runtime=Bindings()).load_row_moves()
    assert made == [(3, "sm_89")]


def test_a_thread_is_on_the_device_before_it_launches_a_kernel():
    bindings = StandIn(Error.cudaSuccess, 64)
    cuda = CudaPython(runtime=bindings)
    cuda._rows = SimpleNamespace(gather=lambda *_: bindings.noted.append("a launch"))
    thread = threading.Thread(target=cuda.gather, args=(1, 2, 3, 4, 8, 5))
    thread.start()
    thread.join()
    assert bindings.noted == ["cudaSetDevice", "a launch"]


def test_pinned_memory_is_an_array_of_its_bytes():
    memory = np.arange(16, dtype=np.uint8)
    cuda = CudaPython(runtime=StandIn(Error.cudaSuccess, memory.ctypes.data))
    pinned = cuda.pinned(16)
    pinned[3] = 99
    assert memory[3] == 99
    assert pinned.dtype == np.uint8


def test_a_graph_that_cannot_be_instantiated_is_not_left_behind():
    class Bindings(StandIn):
        def cudaStreamEndCapture(self, stream: int):  # noqa: N802 - CUDA's name
            return Error.cudaSuccess, 5

        def cudaGraphDestroy(self, graph: int):  # noqa: N802
            self.noted.append(f"destroyed {graph}")
            return (Error.cudaSuccess,)

    bindings = Bindings(Error.cudaErrorMemoryAllocation, None)
    with pytest.raises(CudaOutOfMemory, match="cudaGraphInstantiate"):
        CudaPython(runtime=bindings).end_capture(1)
    assert "destroyed 5" in bindings.noted


def test_without_the_package_its_name_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", None)
    with pytest.raises(CudaFailed, match="expected the package cuda-bindings"):
        CudaPython()


@pytest.mark.parametrize(
    ("bindings", "errors", "sticky"),
    [("runtime", "cudaError_t", cuda_python._STICKY), ("driver", "CUresult", cuda_rows._STICKY)],
)
def test_what_ends_a_process_s_use_of_cuda_by_the_words_of_its_manual_is_a_lost_device(
    bindings, errors, sticky
):
    named = getattr(pytest.importorskip(f"cuda.bindings.{bindings}"), errors)
    manual = {error.name: " ".join((error.__doc__ or "").split()) for error in named}
    due = {name for name, words in manual.items() if "process must be terminated" in words}
    assert due
    assert due <= sticky <= manual.keys()


BYTES = np.zeros(8, np.uint8)
CALLS = {
    "allocate": (8,),
    "free": (0,),
    "pinned": (8,),
    "free_pinned": (BYTES,),
    "create_stream": (),
    "destroy_stream": (0,),
    "copy_in": (0, BYTES, 0),
    "copy_out": (BYTES, 0, 0),
    "copy_on_device": (0, 0, 8, 0),
    "zero": (0, 8, 0),
    "synchronize": (0,),
    "create_event": (),
    "destroy_event": (0,),
    "record": (0, 0),
    "wait": (0, 0),
    "wait_for": (0,),
    "load_row_moves": (),
    "elapsed_s": (0, 0),
    "begin_capture": (0,),
    "end_capture": (0,),
    "launch": (0, 0),
    "destroy_graph": (0,),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_real_bindings_take_every_call_as_it_is_made_and_name_the_missing_driver(name, monkeypatch):
    bindings = pytest.importorskip("cuda.bindings.runtime")
    if bindings.cudaGetDeviceCount()[0] == bindings.cudaError_t.cudaSuccess:
        pytest.skip("there is a driver, which would act on these arguments")
    cuda = CudaPython(runtime=bindings)
    # As if the device were set, so that the call itself is reached.
    cuda._thread.has_device = True
    with pytest.raises(CudaFailed, match=r"cuda.*: cudaErrorInsufficientDriver: CUDA driver version"):
        getattr(cuda, name)(*CALLS[name])


def test_no_driver_is_told_at_the_first_call():
    bindings = pytest.importorskip("cuda.bindings.runtime")
    if bindings.cudaGetDeviceCount()[0] == bindings.cudaError_t.cudaSuccess:
        pytest.skip("there is a driver")
    with pytest.raises(CudaFailed, match="cudaSetDevice"):
        CudaPython().create_stream()
