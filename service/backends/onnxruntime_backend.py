"""ONNX Runtime on the CPU."""

from __future__ import annotations

import time

from service.backends.onnxruntime_import import ort
from service.backends.protocol import Artifact, Capability
from service.domain.batches import Batch, BatchResult
from service.domain.signature import LENGTHS, OUTPUT, SEQUENCE
from service.errors import EngineFailed, InvalidBundle

_WARNING = 3


class OnnxRuntimeBackend:
    """Runs the sequence graph with ONNX Runtime's CPU provider."""

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads
        self._session: ort.InferenceSession | None = None
        self._outputs: list[str] = []
        self._state_inputs: list[str] = []

    @property
    def capability(self) -> Capability:
        return Capability(device="cpu")

    def load(self, artifact: Artifact) -> None:
        """Create the session; raises InvalidBundle where the file is not a graph ONNX Runtime can run."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _WARNING
        # Idle engines must not spin: many models share few cores.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # Lengths and rows change with every batch: a plan per shape would be planned again each time.
        options.enable_mem_pattern = False
        try:
            self._session = ort.InferenceSession(
                str(artifact.onnx_path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as failure:
            message = f"{artifact.onnx_path}: ONNX Runtime cannot load it: {failure}"
            raise InvalidBundle(message) from failure
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
            raise EngineFailed(f"ONNX Runtime: {failure}") from failure
        compute_s = time.perf_counter() - started
        return BatchResult(output, tuple(states), self.capability.device, compute_s)

    def close(self) -> None:
        self._session = None
