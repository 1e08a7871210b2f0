"""Plans for a bundle: those in the cache, and the missing ones built and stored. Needs onnx."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from service.plans.builder import Measure, build_plan
from service.plans.cache import CachedPlan, PlanCache, PlanNotStored
from service.plans.flavour import Flavour
from service.plans.lookup import find_plan
from service.plans.plan import PlanRecord
from service.plans.profiles import Profile
from service.plans.progress import OnProgress
from service.plans.refusal import PlanRefused
from service.plans.request import Buildable, BuildRequest


@dataclass(frozen=True, slots=True)
class Supplied:
    """What became of one profile: a record, new or from the cache, or the reason why there is none."""

    profile: Profile
    record: PlanRecord | None
    was_cached: bool = False
    reason: str = ""


def supply_plans(
    bundle: Buildable,
    onnx_sha256: str,
    request: BuildRequest,
    flavour: Flavour,
    cache: PlanCache,
    on_progress: Callable[[Profile], OnProgress],
    is_forced: bool = False,
    measure: Measure | None = None,
) -> Iterator[Supplied]:
    """A plan for each profile of the request, in their order, built where the cache has none."""
    for part in request.parts():
        (profile,) = part.profiles
        found = None if is_forced else find_plan(cache, onnx_sha256, part, flavour)
        if isinstance(found, CachedPlan) and not _is_to_be_measured(part, found.record, measure):
            yield Supplied(profile, found.record, was_cached=True)
        else:
            yield _built(bundle, part, flavour, cache, on_progress(profile), measure)


def _is_to_be_measured(part: BuildRequest, record: PlanRecord, measure: Measure | None) -> bool:
    """Whether the faster route is asked for and only now can be known: no GPU was there to measure on."""
    return measure is not None and len(part.routes) > 1 and record.measured_s is None


def _built(
    bundle: Buildable,
    part: BuildRequest,
    flavour: Flavour,
    cache: PlanCache,
    on_progress: OnProgress,
    measure: Measure | None,
) -> Supplied:
    (profile,) = part.profiles
    try:
        plan, record = build_plan(bundle, part, flavour, on_progress, measure)
        cache.store(plan, record)
    except (PlanRefused, PlanNotStored) as failure:
        return Supplied(profile, None, reason=failure.message)
    return Supplied(profile, record)
