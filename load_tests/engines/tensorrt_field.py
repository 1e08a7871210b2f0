"""TensorRT as a contender: plans for the batches of the comparison, built where the cache lacks them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from load_tests.engines.contender import Absent, Contender, Field, Grid
from service.backends.cuda_python import CudaPython
from service.backends.protocol import Backend
from service.backends.tensorrt_backend import TensorRtBackend
from service.backends.tensorrt_runtime import TensorRtRuntime
from service.errors import EngineFailed
from service.plans.cache import CachedPlan, PlanCache
from service.plans.driver import Device, Gpu
from service.plans.flavour import Flavour, NoTensorRt, load_flavour
from service.plans.lookup import find_plan
from service.plans.plan import Precision, Route
from service.plans.profiles import Profile, Profiles, Range, in_order
from service.plans.progress import OnProgress
from service.plans.request import BuildRequest
from service.repository.manifest import ONNX
from service.repository.scanner import Bundle
from service.settings import Settings

# A plan tuned for thousands of rows is slow for a few.
_FEW_ROWS = 64

_Load = Callable[[Bundle, Grid], Backend]


def tensorrt_field(settings: Settings, device: Device, precisions: Sequence[Precision]) -> Field:
    """Both routes as engines of their own, so that ours is compared with TensorRT as it comes."""
    if not isinstance(device, Gpu):
        return Field((), [Absent("tensorrt", device.reason)])
    try:
        flavour = load_flavour(device)
    except NoTensorRt as failure:
        return Field((), [Absent("tensorrt", failure.message)])
    cache = PlanCache(settings.plans_dir)
    supplies = [PlanSupply(flavour, device, cache, one, Route.HOISTED) for one in precisions]
    stock = [PlanSupply(flavour, device, cache, one, Route.PARSER) for one in precisions]
    return Field(
        [
            _contender(supply, most_rows, captures)
            for supply in supplies
            for most_rows in (_FEW_ROWS, None)
            for captures in (True, False)
        ]
        + [_contender(supply, None, captures=True) for supply in stock]
    )


@dataclass(frozen=True, slots=True)
class PlanSupply:
    """Plans in one precision, with the loop over time written by one route."""

    flavour: Flavour
    device: Device
    cache: PlanCache
    precision: Precision
    route: Route

    @property
    def engine(self) -> str:
        return self.flavour.name + ", parser's loop" * (self.route is Route.PARSER)

    def plans(self, bundle: Bundle, profiles: Profiles) -> list[bytes]:
        """A plan for each profile; raises PlanRefused or EngineFailed where one cannot be had."""
        # Needs onnx, and this module is imported also where there is none.
        from service.plans.supply import supply_plans

        request = BuildRequest(profiles, self.device, self.precision, self.route)
        sha256 = bundle.manifest.files[ONNX]
        for supplied in supply_plans(bundle, sha256, request, self.flavour, self.cache, _untold):
            if supplied.record is None:
                raise EngineFailed(f"{supplied.profile}: {supplied.reason}")
        found = [find_plan(self.cache, sha256, part, self.flavour) for part in request.parts()]
        missing = [one.reason for one in found if not isinstance(one, CachedPlan)]
        if missing:
            raise EngineFailed(f"plans are missing: {'; '.join(missing)}")
        return [one.plan for one in found if isinstance(one, CachedPlan)]


def profiles_of(grid: Grid, most_rows: int | None) -> Profiles:
    """A fixed profile for each length, for up to `most_rows` (None: all) rows at once."""
    most = min(grid.rows[-1], most_rows or grid.rows[-1])
    rows = Range(1, (most + 1) // 2, most)
    return in_order([Profile(Range(steps, steps, steps), rows) for steps in grid.lengths])


def _contender(supply: PlanSupply, most_rows: int | None, captures: bool) -> Contender:
    def load(bundle: Bundle, grid: Grid) -> Backend:
        plans = supply.plans(bundle, profiles_of(grid, most_rows))
        backend = TensorRtBackend(plans, CudaPython(), TensorRtRuntime(supply.flavour), captures)
        backend.load(bundle.artifact)
        return backend

    rows = f"for {most_rows} rows" if most_rows else "for all rows"
    setting = f"{rows}, {'CUDA graph' if captures else 'no CUDA graph'}"
    return Contender(supply.engine, supply.precision, setting, "gpu", load, times_device=True)


def _untold(profile: Profile) -> OnProgress:
    def on_progress(name: str, share: float) -> None:
        """Building is not what is measured."""

    return on_progress
