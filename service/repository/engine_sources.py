"""The kinds of engine this machine can have beside the CPU, best first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from service.backends.cuda_python import CudaPython
from service.backends.device_table import StateRoom
from service.backends.onnxruntime_backend import OnnxRuntimeBackend
from service.backends.protocol import Backend
from service.backends.tensorrt_backend import TensorRtBackend
from service.backends.tensorrt_runtime import TensorRtRuntime
from service.backends.tensorrt_warm_up import warm_up
from service.errors import EngineFailed, EngineOutOfMemory
from service.plans.cache import CachedPlan, PlanCache
from service.plans.chosen import profiles_of
from service.plans.driver import Device, Gpu, find_gpu
from service.plans.flavour import Flavour, NoTensorRt, load_flavour
from service.plans.lookup import find_plan
from service.plans.plan import Precision
from service.plans.request import BuildRequest
from service.repository.acceleration import EngineSource
from service.repository.child_process import report_of
from service.repository.golden import read_golden
from service.repository.manifest import ONNX
from service.repository.proving import tolerance_of
from service.repository.scanner import Bundle
from service.settings import Settings

_logger = structlog.get_logger()

CUDA = "onnxruntime-cuda"
_BUILD_S = 3600.0


@dataclass(frozen=True, slots=True)
class TensorRtSource:
    """Plans from the cache; the missing ones are built by another process, which also tries them."""

    flavour: Flavour
    device: Device
    cache: PlanCache
    precision: Precision
    room: StateRoom

    @property
    def name(self) -> str:
        return self.flavour.name

    def tolerance(self, bundle: Bundle) -> float:
        return tolerance_of(bundle.manifest, read_golden(bundle.folder), self.precision)

    async def prepare(self, bundle: Bundle) -> None:
        """Build what is missing, then run all of it once where a crash harms nobody."""
        arguments = [str(bundle.folder), "--plans-dir", str(self.cache.folder)]
        built = await report_of("service.plans", [*arguments, "--precision", self.precision], _BUILD_S)
        plans = built.get("plans", [])
        refused = [f"{plan['profile']}: {plan['refused']}" for plan in plans if "refused" in plan]
        if len(refused) == len(plans):
            raise EngineFailed(built.get("error") or "; ".join(refused))
        if refused:
            _logger.warning("profiles refused", model=bundle.manifest.name, refused=refused)
        await tried(bundle, self.name)

    def load(self, bundle: Bundle) -> Backend:
        try:
            return self._loaded(bundle, self.room)
        except EngineOutOfMemory as failure:
            # Better an engine without a table of states than none.
            _logger.warning("states stay on the host", model=bundle.manifest.name, reason=str(failure))
        return self._loaded(bundle, None)

    def plans(self, bundle: Bundle) -> list[bytes]:
        """The bundle's plans in the cache, one a profile; raises EngineFailed where there is none."""
        lengths = [len(sequence) for sequence in read_golden(bundle.folder).sequences]
        sha256 = bundle.manifest.files[ONNX]
        profiles = profiles_of(self.cache, sha256, bundle.manifest.signature, lengths)
        request = BuildRequest(profiles, self.device, self.precision)
        found = [find_plan(self.cache, sha256, part, self.flavour) for part in request.parts()]
        plans = [one.plan for one in found if isinstance(one, CachedPlan)]
        if not plans:
            reasons = {one.reason for one in found if not isinstance(one, CachedPlan)}
            raise EngineFailed(f"there is no plan: {'; '.join(sorted(reasons))}")
        return plans

    def _loaded(self, bundle: Bundle, room: StateRoom | None) -> Backend:
        backend = TensorRtBackend(self.plans(bundle), CudaPython(), TensorRtRuntime(self.flavour), room=room)
        try:
            backend.load(bundle.artifact)
            # Kernels are compiled and graphs captured here, or else in the first caller's time.
            warm_up(backend, bundle.artifact.signature)
        except BaseException:
            backend.close()
            raise
        return backend


@dataclass(frozen=True, slots=True)
class CudaSource:
    """ONNX Runtime's CUDA provider, for GPUs without TensorRT."""

    name: str = CUDA

    def tolerance(self, bundle: Bundle) -> float:
        return bundle.manifest.tolerance.reference

    async def prepare(self, bundle: Bundle) -> None:
        await tried(bundle, self.name)

    def load(self, bundle: Bundle) -> Backend:
        backend = OnnxRuntimeBackend(device="cuda")
        backend.load(bundle.artifact)
        return backend


def engine_sources(settings: Settings, find: Callable[[], Device] = find_gpu) -> Sequence[EngineSource]:
    """Best first; none without a GPU, and then the log says why. Never raises."""
    device = find()
    if not isinstance(device, Gpu):
        _logger.info("serving on the CPU", reason=device.reason)
        return ()
    makers: dict[str, Callable[[], EngineSource]] = {
        "tensorrt": lambda: _tensorrt(settings, device),
        CUDA: CudaSource,
    }
    sources = []
    for name, make in makers.items():
        if name not in settings.engines:
            continue
        try:
            sources.append(make())
        except NoTensorRt as failure:
            _logger.warning("engine not available", engine=name, reason=failure.message)
    return sources


async def tried(bundle: Bundle, engine: str) -> None:
    """Load and run an engine in another process first; raises EngineFailed where that goes wrong."""
    report = await report_of("service.trial", [str(bundle.folder), engine])
    if not report["ok"]:
        raise EngineFailed(report["error"])


def _tensorrt(settings: Settings, device: Device) -> EngineSource:
    return TensorRtSource(
        load_flavour(device),
        device,
        PlanCache(settings.plans_dir),
        Precision(settings.gpu_precision),
        _state_room(settings),
    )


def _state_room(settings: Settings) -> StateRoom:
    """For all sessions, and for sequences in two batches, each with a row it reads and one it writes.

    None where every step is saved: a state that goes to the store goes through the host in any case.
    """
    if settings.session_save_s is not None:
        return StateRoom(0, 0)
    rows = 1 + settings.max_sessions + 4 * settings.gpu_max_batch_rows
    return StateRoom(rows, settings.max_device_state_bytes)
