"""A TensorRT backend on a fake device, and the batches to try it with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from fake_cuda import FakeCuda
from fake_plans import OnnxModel, Plan, RunningSumModel
from fake_tensorrt import FakeTensorRt
from fakes import running_sum, running_sum_signature

from service.backends.device_table import StateRoom
from service.backends.onnxruntime_backend import OnnxRuntimeBackend
from service.backends.protocol import Artifact
from service.backends.tensorrt_backend import TensorRtBackend
from service.backends.tensorrt_runtime import TensorRtRuntime
from service.domain.batches import Batch, BatchResult
from service.domain.signature import Readout
from service.domain.tensors import Array
from service.plans.profiles import parse_profile

PROFILES = ("1:1-2-8", "4:1-4-8", "16:1-4-8", "1-16-32:1-4-8")


class Device:
    """One fake GPU with a plan of the running sum, and a backend loaded with it."""

    def __init__(
        self,
        profiles: tuple[str, ...] = PROFILES,
        readout: Readout = Readout.LAST,
        seed: int | None = None,
        is_rtx: bool = False,
        captures: bool = True,
        room: StateRoom | None = None,
    ) -> None:
        self.signature = running_sum_signature(readout)
        self.cuda = FakeCuda(seed)
        model = RunningSumModel(self.signature)
        self.trt = FakeTensorRt(self.cuda, is_rtx)
        # One plan per profile, as they are built; but the last two share one.
        self.trt.plans = {text.encode(): Plan(model, (parse_profile(text),)) for text in profiles[:-2]} | {
            b"last": Plan(model, tuple(map(parse_profile, profiles[-2:])))
        }
        runtime = TensorRtRuntime(self.trt.flavour())
        self.backend = TensorRtBackend(list(self.trt.plans), self.cuda, runtime, captures, room)
        self.artifact = Artifact(Path("model.onnx"), self.signature)

    def loaded(self) -> Device:
        self.backend.load(self.artifact)
        return self

    def batch(self, lengths: list[int], seed: int = 0, spare_steps: int = 0) -> Batch:
        """Small whole numbers, so that sums are exact; also in the states."""
        random = np.random.default_rng(seed)
        shape = (max(lengths) + spare_steps, len(lengths), 2)
        states = random.integers(0, 5, (len(lengths), 2)).astype(np.float32)
        sequence = random.integers(-3, 4, shape).astype(np.float32)
        return Batch(sequence, np.array(lengths, np.int32), (states,))

    def check(self, result: BatchResult, batch: Batch) -> None:
        """Every row is what the row alone gives, to the bit."""
        has_steps = self.signature.has_step_outputs
        assert result.output.shape[:2] == (batch.sequence.shape[:2] if has_steps else (batch.rows, 2))
        for row, steps in enumerate(batch.lengths):
            due = running_sum(batch.sequence[:steps, row], batch.states[0][row])
            found: Array = result.output[:steps, row] if has_steps else result.output[row]
            np.testing.assert_array_equal(found, due if has_steps else due[-1])
            np.testing.assert_array_equal(result.states[0][row], due[-1])


class OnnxOnFakeGpu(TensorRtBackend):
    """Plans that compute what ONNX Runtime does, on profiles so short that most batches are cut or padded."""

    def __init__(self) -> None:
        self.cuda = FakeCuda(seed=1)
        self._trt = FakeTensorRt(self.cuda)
        super().__init__([b"plan"], self.cuda, TensorRtRuntime(self._trt.flavour()))

    def load(self, artifact: Artifact) -> None:
        proof = OnnxRuntimeBackend()
        proof.load(artifact)
        proof.close()
        net = "1-16-64:1-2-4" if not artifact.signature.is_causal else "1-4-9:1-2-4"
        profiles = tuple(map(parse_profile, ("1:1-2-4", "6:1-2-4", net)))
        self._trt.plans[b"plan"] = Plan(OnnxModel(artifact.onnx_path, artifact.signature), profiles)
        super().load(artifact)
