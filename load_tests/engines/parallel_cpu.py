"""The CPU at its best: a batch's rows shared out among sessions of one thread, one for each core."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np

from service.backends.onnxruntime_backend import OnnxRuntimeBackend
from service.backends.protocol import Artifact, Capability
from service.domain.batches import Batch, BatchResult


class ParallelCpu:
    """Threads of one session wait for each other at every step; sessions side by side need not.

    Rows do not depend on each other, so any share of them can run anywhere. `compute_s` is the wall time.
    """

    def __init__(self, sessions: int) -> None:
        self._backends = [OnnxRuntimeBackend() for _ in range(sessions)]
        self._threads = ThreadPoolExecutor(sessions)
        self._output_axis = 0

    @property
    def capability(self) -> Capability:
        return self._backends[0].capability

    def load(self, artifact: Artifact) -> None:
        for backend in self._backends:
            backend.load(artifact)
        self._output_axis = 1 if artifact.signature.has_step_outputs else 0

    def run(self, batch: Batch) -> BatchResult:
        started_s = time.perf_counter()
        ends = np.linspace(0, batch.rows, len(self._backends) + 1).astype(int)
        parts = [batch.part(first, end) for first, end in pairwise(ends) if first < end]
        results = list(self._threads.map(_run, self._backends[: len(parts)], parts))
        output = np.concatenate([one.output for one in results], axis=self._output_axis)
        states = tuple(np.concatenate(each) for each in zip(*(one.states for one in results), strict=True))
        return BatchResult(output, states, self.capability.device, time.perf_counter() - started_s)

    def close(self) -> None:
        self._threads.shutdown()
        for backend in self._backends:
            backend.close()


def _run(backend: OnnxRuntimeBackend, part: Batch) -> BatchResult:
    return backend.run(part)
