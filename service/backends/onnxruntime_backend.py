"""ONNX Runtime, on the CPU or with its CUDA provider."""

from __future__ import annotations

import time
from typing import Any, Literal

from service.backends.onnxruntime_import import ort
from service.backends.onnxruntime_session import create_session
from service.backends.protocol import Artifact, Capability
from service.domain.batches import Batch, BatchResult
from service.domain.signature import LENGTHS, OUTPUT, SEQUENCE
from service.errors import EngineFailed, EngineOutOfMemory

_CAPABILITIES = {
    "cpu": Capability(device="cpu", engine="onnxruntime", in_flight=2, can_break=True),
    "cuda": Capability(device="gpu", engine="onnxruntime-cuda"),
}
_OUT_OF_MEMORY = ("out of memory", "failed to allocate memory", "cublas_status_alloc_failed")


class OnnxRuntimeBackend:
    """Runs the sequence graph on the CPU with `threads` threads, or on the first GPU.

    `compute_s` is the wall time of the call, on a GPU with its copies. `runtime` is the module onnxruntime.
    """

    def __init__(self, threads: int = 1, device: Literal["cpu", "cuda"] = "cpu", runtime: Any = ort) -> None:
        self._threads = threads
        self._device = device
        self._runtime = runtime
        self._session: Any = None
        self._outputs: list[str] = []
        self._state_inputs: list[str] = []

    @property
    def capability(self) -> Capability:
        return _CAPABILITIES[self._device]

    def load(self, artifact: Artifact) -> None:
        """Create the session.

        Raises InvalidBundle where the file is not a graph ONNX Runtime can run, and EngineFailed where it
        would not run on the GPU that is asked for.
        """
        is_cuda = self._device == "cuda"
        self._session = create_session(self._runtime, artifact, self._threads, is_cuda)
        states = artifact.signature.states
        self._state_inputs = [state.input for state in states]
        self._outputs = [OUTPUT, *(state.output for state in states)]

    def run(self, batch: Batch) -> BatchResult:
        """Compute one batch; raises EngineFailed with the runtime's own words."""
        if self._session is None:
            raise EngineFailed("run before load. This is a bug.")
        feeds = {SEQUENCE: batch.sequence, LENGTHS: batch.lengths}
        feeds.update(zip(self._state_inputs, batch.states, strict=True))
        started = time.perf_counter()
        try:
            output, *states = self._session.run(self._outputs, feeds)
        except Exception as failure:
            raise _told(failure) from failure
        compute_s = time.perf_counter() - started
        return BatchResult(output, tuple(states), self.capability.device, compute_s)

    def close(self) -> None:
        self._session = None


def _told(failure: Exception) -> EngineFailed:
    words = str(failure)
    kind = EngineOutOfMemory if any(sign in words.lower() for sign in _OUT_OF_MEMORY) else EngineFailed
    return kind(f"ONNX Runtime: {words}")
