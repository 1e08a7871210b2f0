"""One import surface for TensorRT 10.x, 11.x and TensorRT-RTX: whatever differs between them is here.

Numbers of flags and members differ between the three, so everything is named, never counted.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from service.errors import NotServable
from service.plans.driver import Device, Gpu
from service.plans.refusal import PlanRefused
from service.plans.tensorrt_log import TensorRtLog, create_logger

# The wheels of TensorRT-RTX bring no package of the product's name, only their bindings.
_MODULES = {
    "tensorrt": "tensorrt",
    "tensorrt_rtx": "tensorrt-rtx",
    "tensorrt_rtx_bindings": "tensorrt-rtx",
}


class NoTensorRt(NotServable):
    """No flavour of TensorRT can be used here; says what was tried and what to install."""

    reason = "no_tensorrt"


@dataclass(frozen=True, slots=True)
class Flavour:
    """A TensorRT: `name` is tensorrt or tensorrt-rtx, `trt` the module, `log` what it says."""

    name: str
    version: str
    trt: Any
    logger: Any
    log: TensorRtLog

    @property
    def is_rtx(self) -> bool:
        return self.name == "tensorrt-rtx"

    def target(self, device: Device, targets: Sequence[str]) -> str:
        """What a plan is bound to: exactly this GPU, or (RTX) a list of compute capabilities."""
        if self.is_rtx:
            return ",".join(sorted(targets)) or "default"
        return str(device) if isinstance(device, Gpu) else "none"

    def check_can_build(self, device: Device, targets: Sequence[str]) -> None:
        """Raises PlanRefused where building would crash the process, or where a target is unknown."""
        if self.is_rtx:
            self._check_targets(targets)
        elif not isinstance(device, Gpu):
            raise PlanRefused(
                f"TensorRT {self.version} builds only for the GPU at hand, and there is none: "
                f"{device.reason}; TensorRT-RTX builds without one: pip install -e '.[gpu-rtx]' in the clone"
            )
        elif targets:
            raise PlanRefused(
                f"target: TensorRT {self.version} builds only for the GPU at hand, leave it out"
            )

    def create_network(self, builder: Any) -> Any:
        """An empty network whose types are those of the graph; nothing else exists in 11.x and RTX."""
        flags = 1 << int(self.trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
        network = builder.create_network(flags)
        if network is None:
            raise PlanRefused("TensorRT creates no network: it refuses the flag STRONGLY_TYPED")
        return network

    def create_config(
        self, builder: Any, memory_bytes: int, targets: Sequence[str], is_captured: bool
    ) -> Any:
        """How to build: at most `memory_bytes` of scratch memory, no TF32, for `targets` if any.

        What `is_captured` as a CUDA graph may take no memory of its own while it runs.
        """
        config = builder.create_builder_config()
        config.set_memory_pool_limit(self.trt.MemoryPoolType.WORKSPACE, memory_bytes)
        # fp32 promises 1e-5, and TF32 keeps ten bits of the mantissa.
        config.clear_flag(self.trt.BuilderFlag.TF32)
        if self.is_rtx and is_captured:
            config.set_flag(self.trt.BuilderFlag.REQUIRE_USER_ALLOCATION)
        features = self.trt.PreviewFeature
        # JetPack's TensorRT may be older than 10.10.
        if not self.is_rtx and hasattr(features, "RUNTIME_ACTIVATION_RESIZE_10_10"):
            # Or else one row needs the activations of the profile's largest batch.
            config.set_preview_feature(features.RUNTIME_ACTIVATION_RESIZE_10_10, True)
        if targets:
            config.num_compute_capabilities = len(targets)
            for index, target in enumerate(sorted(targets)):
                if not config.set_compute_capability(getattr(self.trt.ComputeCapability, target), index):
                    raise PlanRefused(f"target: TensorRT-RTX {self.version} does not build for {target} here")
        return config

    def create_kernel_cache(self, engine: Any) -> Any:
        """Where RTX keeps the kernels that it compiles for an engine; None elsewhere."""
        if not self.is_rtx:
            return None
        config = engine.create_runtime_config()
        return config.create_runtime_cache()

    def create_context(self, engine: Any, kernel_cache: Any, is_captured: bool) -> Any:
        """An execution context whose device memory the caller provides; None where there is no room.

        RTX compiles kernels for the shapes it meets, behind a stopgap that a CUDA graph would hold on to
        for ever: those for shapes that the caller captures are compiled at once.
        """
        user_managed = self.trt.ExecutionContextAllocationStrategy.USER_MANAGED
        if not self.is_rtx:
            return engine.create_execution_context(user_managed)
        kernels = self.trt.DynamicShapesKernelSpecializationStrategy
        config = engine.create_runtime_config()
        config.set_execution_context_allocation_strategy(user_managed)
        config.set_runtime_cache(kernel_cache)
        config.cuda_graph_strategy = self.trt.CudaGraphStrategy.DISABLED
        config.dynamic_shapes_kernel_specialization_strategy = kernels.EAGER if is_captured else kernels.LAZY
        return engine.create_execution_context(config)

    def objection(self, runtime: Any, plan: bytes) -> str | None:
        """Why RTX says from a plan's header that it cannot run here; None: no objection, or nobody to ask."""
        if not self.is_rtx:
            return None
        verdict, found = runtime.get_engine_validity(plan[: runtime.engine_header_size])
        if verdict != self.trt.EngineValidity.INVALID:
            return None
        members = self.trt.EngineInvalidityDiagnostics.__members__.items()
        # A CUDA error, or no reason at all: RTX could not ask the GPU, which is no judgement of the plan.
        reasons = [name for name, member in members if int(found) & int(member) and name != "CUDA_ERROR"]
        return ", ".join(reasons).lower().replace("_", " ") or None

    def _check_targets(self, targets: Sequence[str]) -> None:
        known = [name for name in self.trt.ComputeCapability.__members__ if name.startswith("SM")]
        for target in targets:
            if target not in known:
                raise PlanRefused(f"target: expected any of {', '.join(known)}, got {target!r}")


def load_flavour(device: Device) -> Flavour:
    """The first flavour that can build or run here; raises NoTensorRt.

    Full TensorRT comes first, but only where there is a driver: without one it crashes the process.
    """
    failures = []
    for module, name in _MODULES.items():
        if name == "tensorrt" and not isinstance(device, Gpu):
            failures.append(f"{module}: not tried, {device.reason}")
            continue
        try:
            return _flavour(module, name)
        except (ImportError, OSError, RuntimeError) as failure:
            failures.append(f"{module}: {failure}")
    raise NoTensorRt(
        f"no TensorRT can be used here ({'; '.join(failures)}); pip install -e '.[gpu-rtx]' in the clone, "
        "or '.[gpu]' on a machine with an NVIDIA GPU"
    )


@functools.cache
def _flavour(module: str, name: str) -> Flavour:
    """Loaded once: TensorRT keeps the first logger of a process and ignores all later ones."""
    trt = import_module(module)
    if not hasattr(trt, "OnnxParser"):
        raise ImportError(f"{trt.__name__} has no ONNX parser")
    log = TensorRtLog()
    return Flavour(name, trt.__version__, trt, create_logger(trt, log), log)
