"""Who can take part on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial

from load_tests.engines.batches import doubling
from load_tests.engines.contender import Absent, Contender, Field, Grid
from load_tests.engines.cudnn_field import cudnn_field
from load_tests.engines.parallel_cpu import ParallelCpu
from load_tests.engines.tensorrt_field import tensorrt_field
from service.backends.onnxruntime_backend import OnnxRuntimeBackend
from service.backends.protocol import Backend
from service.plans.driver import Device, Gpu
from service.plans.plan import Precision
from service.repository.engine_sources import CUDA
from service.repository.scanner import Bundle
from service.settings import Settings

CPU = "onnxruntime"


def field_of(settings: Settings, precisions: Sequence[Precision], device: Device) -> Field:
    """ONNX Runtime on the CPU in any case, and every way of using the GPU, if there is one."""
    parts = [
        cpu_field(len(os.sched_getaffinity(0))),
        _cuda_field(device),
        tensorrt_field(settings, device, precisions),
        cudnn_field(device, precisions),
    ]
    return Field(
        [one for part in parts for one in part.contenders],
        [one for part in parts for one in part.absent],
    )


def cpu_field(cores: int) -> Field:
    """A contender for 1, 2, 4 and so on threads up to all cores, and one of a session for each core."""
    threaded = [
        _cpu(f"{threads} thread{'s' * (threads > 1)}", partial(OnnxRuntimeBackend, threads))
        for threads in doubling(1, cores)
    ]
    side_by_side = [_cpu(f"{cores} sessions of 1 thread", partial(ParallelCpu, cores))] if cores > 1 else []
    return Field(threaded + side_by_side)


def _cpu(setting: str, create: Callable[[], Backend]) -> Contender:
    return Contender(CPU, Precision.FP32, setting, "cpu", lambda bundle, _: _loaded(create(), bundle))


def _cuda_field(device: Device) -> Field:
    if not isinstance(device, Gpu):
        return Field((), [Absent(CUDA, device.reason)])

    def load(bundle: Bundle, grid: Grid) -> Backend:
        return _loaded(OnnxRuntimeBackend(device="cuda"), bundle)

    return Field([Contender(CUDA, Precision.FP32, "its own settings", "gpu", load)])


def _loaded(backend: Backend, bundle: Bundle) -> Backend:
    backend.load(bundle.artifact)
    return backend
