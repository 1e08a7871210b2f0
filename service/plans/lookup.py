"""Which plan of the cache to use. A server asks this, so nothing here needs onnx."""

from __future__ import annotations

import math

from service.plans.cache import CachedPlan, NoPlan, PlanCache
from service.plans.flavour import Flavour
from service.plans.request import BuildRequest, identity_of


def find_plan(
    cache: PlanCache, onnx_sha256: str, request: BuildRequest, flavour: Flavour
) -> CachedPlan | NoPlan:
    """The plan in the cache for one part of a request; the faster one where both routes were measured."""
    identities = [identity_of(onnx_sha256, request, route, flavour) for route in request.routes]
    found = [cache.find(identity) for identity in identities]
    plans = [one for one in found if isinstance(one, CachedPlan)]
    if plans:
        # One that was built where nothing could be measured is taken only where no other is.
        return min(plans, key=lambda one: one.record.measured_s or math.inf)
    missing = [one for one in found if isinstance(one, NoPlan)]
    return next((one for one in missing if one.is_spoilt), missing[0])
