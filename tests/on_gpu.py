"""Real plans on the GPU at hand, for the bundles in models/, and batches of their golden sequences."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Self

import numpy as np
import pytest

from service.backends.cuda_python import CudaPython
from service.backends.device_table import StateRoom
from service.backends.onnxruntime_backend import OnnxRuntimeBackend
from service.backends.tensorrt_backend import TensorRtBackend
from service.backends.tensorrt_runtime import TensorRtRuntime
from service.domain.batches import Batch, BatchResult
from service.domain.tensors import Array
from service.plans.driver import Gpu, find_gpu
from service.plans.flavour import Flavour, load_flavour
from service.plans.plan import Precision
from service.plans.profiles import parse_profile
from service.plans.request import BuildRequest
from service.repository.golden import read_golden
from service.repository.proving import tolerance_of
from service.repository.scanner import Bundle, bundle_folders, read_bundle

MODELS = Path(__file__).parents[1] / "models"
BUNDLES = [f"{folder.parent.name}/{folder.name}" for folder in bundle_folders(MODELS)]
PROFILES = tuple(map(parse_profile, ("1:1-4-8", "16:1-4-8", "1-32-256:1-4-8")))


@cache
def gpu() -> Gpu:
    """The test is skipped, with the reason, where there is none."""
    device = find_gpu()
    if not isinstance(device, Gpu):
        pytest.skip(device.reason)
    return device


@cache
def flavour() -> Flavour:
    return load_flavour(gpu())


@cache
def bundle(name: str) -> Bundle:
    return read_bundle(MODELS / name)


@cache
def plans(name: str, precision: Precision) -> list[bytes]:
    """One plan for each profile."""
    from service.plans.builder import build_plan

    request = BuildRequest(PROFILES, gpu(), precision)
    return [build_plan(bundle(name), part, flavour())[0] for part in request.parts()]


@dataclass
class OnGpu:
    """A bundle's TensorRT backend, loaded, beside ONNX Runtime on the CPU."""

    name: str
    precision: Precision = Precision.FP32
    captures: bool = True
    room: StateRoom | None = None
    cuda: CudaPython = field(default_factory=CudaPython)

    def __post_init__(self) -> None:
        runtime = TensorRtRuntime(flavour())
        found = plans(self.name, self.precision)
        self.backend = TensorRtBackend(found, self.cuda, runtime, self.captures, self.room)
        self.cpu = OnnxRuntimeBackend()
        self.cpu.load(bundle(self.name).artifact)

    def __enter__(self) -> Self:
        self.backend.load(bundle(self.name).artifact)
        return self

    def __exit__(self, *_: object) -> None:
        self.backend.close()
        self.cpu.close()

    def batch(self, lengths: list[int], seed: int = 0) -> Batch:
        return golden_batch(self.name, lengths, seed)

    def check(self, result: BatchResult, batch: Batch) -> None:
        """Equal to the CPU within what the bundle allows in this precision."""
        manifest = bundle(self.name).manifest
        tolerance = tolerance_of(manifest, read_golden(MODELS / self.name), self.precision)
        assert_same_rows(self.name, result, self.cpu.run(batch), batch.lengths, 2 * tolerance)


def golden_batch(name: str, lengths: list[int], seed: int) -> Batch:
    """Rows of these lengths, cut from golden sequences that are repeated where they are too short."""
    signature, golden = bundle(name).artifact.signature, read_golden(MODELS / name)
    random = np.random.default_rng(seed)
    shape = (max(lengths), len(lengths), *signature.step_shape)
    sequence: Array = np.zeros(shape, signature.step_datatype.dtype)
    for row, steps in enumerate(lengths):
        source = golden.sequences[random.integers(len(golden.sequences))]
        sequence[:steps, row] = np.resize(source, (steps, *signature.step_shape))
    states = tuple(np.zeros((len(lengths), *state.shape), np.float32) for state in signature.states)
    return Batch(sequence, np.array(lengths, np.int32), states)


def assert_same(name: str, found: Array, due: Array) -> None:
    """To the bit; as near as to the CPU on RTX, whose runs of one shape may be by different kernels."""
    if not flavour().is_rtx:
        np.testing.assert_array_equal(found, due)
        return
    tolerance = 2 * bundle(name).manifest.tolerance.reference
    np.testing.assert_allclose(found, due, rtol=0, atol=tolerance * max(1.0, np.abs(due).max()))


def assert_same_rows(
    name: str, found: BatchResult, due: BatchResult, lengths: Array, tolerance: float
) -> None:
    """Each row's own steps and states; a state is allowed as much as an output."""
    has_steps = bundle(name).artifact.signature.has_step_outputs
    for row, steps in enumerate(lengths):
        mine, theirs = (
            result.output[:steps, row] if has_steps else result.output[row] for result in (found, due)
        )
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=tolerance)
    for mine, theirs in zip(found.states, due.states, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=tolerance * max(1.0, np.abs(theirs).max()))
