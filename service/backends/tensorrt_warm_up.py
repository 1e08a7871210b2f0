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
from service.plans.driver import Device, Gpu
from service.plans.flavour import Flavour
from service.plans.profiles import Profile

Measure: TypeAlias = Callable[[bytes], float]

# The first runs compile, capture and raise the clock.
_UNTIMED_RUNS = 5
_RUNS = 20


def warm_up(backend: TensorRtBackend, signature: Signature) -> None:
    """Run every shape that is captured, so that no caller waits for its kernels, its graphs or its memory.

    On profiles with dynamic time, whose shapes are too many, the longest sequence alone. Raises EngineFailed.
    """
    # The largest first: memory that grows forgets the graphs that know it.
    sizes = {size for profile in backend.profiles for size in _sizes(profile)}
    for steps, rows in sorted(sizes, key=lambda size: size[0] * size[1], reverse=True):
        batch = _blank_batch(signature, steps, rows)
        pending = [backend.start(batch) for _ in range(backend.capability.in_flight)]
        for one in pending:
            backend.finish(one)


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
