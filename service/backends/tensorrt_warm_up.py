"""Running blank batches on plans: before anybody waits for them, and to see how long they take."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np

from service.backends.cuda import Cuda
from service.backends.cuda_python import CudaPython
from service.backends.protocol import Artifact
from service.backends.tensorrt_backend import TensorRtBackend
from service.backends.tensorrt_pieces import padded_rows
from service.backends.tensorrt_runtime import TensorRtRuntime
from service.domain.batches import Batch
from service.domain.signature import Signature
from service.errors import EngineOutOfMemory
from service.plans.driver import Device, Gpu
from service.plans.flavour import Flavour
from service.plans.profiles import Profile

Measure: TypeAlias = Callable[[bytes], float]

# The first runs compile, capture and raise the clock.
_UNTIMED_RUNS = 5
_RUNS = 20


def warm_up(backend: TensorRtBackend, signature: Signature) -> None:
    """Run every shape that is captured, so that no caller waits for its kernels, its graphs or its memory.

    On profiles with dynamic time, whose shapes are too many, the longest sequence alone and the largest batch
    that the device has room for. Raises EngineFailed.
    """
    for profile in backend.profiles:
        if not profile.is_fixed:
            _make_room(backend, signature, profile)
    sizes = sorted({size for profile in backend.profiles for size in _sizes(profile)})
    # Twice: memory that grew has forgotten the graphs that knew it.
    for steps, rows in (*reversed(sizes), *sizes):
        _run_together(backend, _blank_batch(signature, steps, rows))


def seconds_of(plan: bytes, artifact: Artifact, cuda: Cuda, runtime: TensorRtRuntime) -> float:
    """The median device time of a batch as the plan's first profile expects it; raises EngineFailed."""
    backend = TensorRtBackend([plan], cuda, runtime)
    backend.load(artifact)
    try:
        profile = backend.profiles[0]
        batch = _blank_batch(artifact.signature, profile.steps.usual, profile.rows.usual)
        times = [backend.run(batch).compute_s for _ in range(_UNTIMED_RUNS + _RUNS)]
    finally:
        backend.close()
    return statistics.median(times[_UNTIMED_RUNS:])


def measure_on(device: Device, flavour: Flavour, artifact: Artifact) -> Measure | None:
    """How to time plans of this bundle on the GPU at hand; None where there is none."""
    if not isinstance(device, Gpu):
        return None
    return lambda plan: seconds_of(plan, artifact, CudaPython(), TensorRtRuntime(flavour))


def _make_room(backend: TensorRtBackend, signature: Signature, profile: Profile) -> None:
    """Let memory grow before anything is captured, so that no batch of this profile forgets the graphs."""
    rows = profile.rows.most
    while rows > profile.rows.least:
        try:
            _run_together(backend, _blank_batch(signature, profile.steps.most, rows))
        except EngineOutOfMemory:
            # Batches that large will be halved when they come.
            rows //= 2
        else:
            return


def _run_together(backend: TensorRtBackend, batch: Batch) -> None:
    """As many at once as may be in flight: each has memory of its own."""
    pending = []
    try:
        for _ in range(backend.capability.in_flight):
            pending.append(backend.start(batch))  # noqa: PERF401 - those before a failure are finished too
    finally:
        for one in pending:
            backend.finish(one)


def _sizes(profile: Profile) -> Iterator[tuple[int, int]]:
    """Steps and rows of the shapes that a profile's batches are padded to."""
    rows = profile.rows.least
    while profile.is_fixed and rows <= profile.rows.most:
        yield profile.steps.most, padded_rows(profile, rows)
        rows = padded_rows(profile, rows) + 1
    if not profile.is_fixed:
        yield profile.steps.most, rows


def _blank_batch(signature: Signature, steps: int, rows: int) -> Batch:
    sequence = np.zeros((steps, rows, *signature.step_shape), signature.step_datatype.dtype)
    states = tuple(np.zeros((rows, *state.shape), np.float32) for state in signature.states)
    return Batch(sequence, np.full(rows, steps, np.int32), states)
