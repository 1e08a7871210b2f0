"""A TensorRT module whose engines compute when CUDA gets round to it, and which knows its rules.

It has the names that the runtime uses of the real one, and no others. A plan is a key into `plans`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from fake_cuda import FakeCuda
from fake_plans import DataType, Plan
from fake_tensorrt_context import Diary, FakeContext

from service.domain.tensors import Shape
from service.plans.flavour import Flavour


class TensorIOMode(enum.Enum):
    INPUT = enum.auto()
    OUTPUT = enum.auto()


class ExecutionContextAllocationStrategy(enum.Enum):
    STATIC = enum.auto()
    USER_MANAGED = enum.auto()


class CudaGraphStrategy(enum.Enum):
    DISABLED = enum.auto()


class DynamicShapesKernelSpecializationStrategy(enum.Enum):
    LAZY = enum.auto()
    EAGER = enum.auto()


@dataclass
class FakeTensorRt:
    """The module, on a fake device."""

    cuda: FakeCuda
    is_rtx: bool = False
    plans: dict[bytes, Plan] = field(default_factory=dict)
    diary: Diary = field(default_factory=Diary)
    is_touched: bool = False
    TensorIOMode = TensorIOMode
    ExecutionContextAllocationStrategy = ExecutionContextAllocationStrategy
    DynamicShapesKernelSpecializationStrategy = DynamicShapesKernelSpecializationStrategy

    def __post_init__(self) -> None:
        if self.is_rtx:
            self.CudaGraphStrategy = CudaGraphStrategy

    def Runtime(self, logger: object) -> _Runtime:  # noqa: N802 - TensorRT's name
        self.is_touched = True
        return _Runtime(self)

    def flavour(self) -> Flavour:
        """What the code under test knows of it."""
        return Flavour("tensorrt-rtx" if self.is_rtx else "tensorrt", "0.0", self, None, self.diary.log)


@dataclass
class _Runtime:
    trt: FakeTensorRt

    def deserialize_cuda_engine(self, plan: bytes) -> FakeEngine | None:
        if plan not in self.trt.plans:
            self.trt.diary.log.write("ERROR", "Magic tag does not match")
            return None
        return FakeEngine(self.trt, self.trt.plans[plan])


class FakeEngine:
    def __init__(self, trt: FakeTensorRt, plan: Plan) -> None:
        self._trt = trt
        self._plan = plan
        self._tensors = plan.model.tensors
        self._caches: set[object] = set()
        self.num_io_tensors = len(self._tensors)
        self.num_optimization_profiles = len(plan.profiles)

    def get_tensor_name(self, index: int) -> str:
        return list(self._tensors)[index]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return TensorIOMode.INPUT if self._tensors[name].is_input else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> DataType:
        return self._tensors[name].dtype

    def get_tensor_shape(self, name: str) -> Shape:
        return self._tensors[name].shape

    def get_tensor_profile_shape(self, name: str, index: int) -> list[Shape]:
        profile, step = self._plan.profiles[index], self._tensors[name].shape[2:]
        ends = ("least", "usual", "most")
        return [(getattr(profile.steps, end), getattr(profile.rows, end), *step) for end in ends]

    def create_runtime_config(self) -> Any:
        config = SimpleNamespace(strategy=None, cache=None)
        config.set_execution_context_allocation_strategy = lambda strategy: setattr(
            config, "strategy", strategy
        )
        config.create_runtime_cache = object
        config.set_runtime_cache = lambda cache: setattr(config, "cache", cache)
        return config

    def create_execution_context(self, how: Any) -> FakeContext | None:
        strategy = how.strategy if self._trt.is_rtx else how
        assert strategy is ExecutionContextAllocationStrategy.USER_MANAGED
        if self._trt.is_rtx:
            self._caches.add(how.cache)
            assert len(self._caches) == 1, "an engine's contexts share one cache of kernels"
            assert None not in self._caches, "a context without a cache of kernels"
        return FakeContext(self._trt.cuda, self._trt.diary, self._plan)
