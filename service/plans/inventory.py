"""What the cache holds, and what of it is of use on this machine."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from service.plans.cache import NoPlan, PlanCache
from service.plans.driver import Device, Gpu
from service.plans.flavour import Flavour
from service.plans.plan import BUILDER_REVISION, PlanIdentity
from service.plans.request import this_platform


@dataclass(frozen=True, slots=True)
class StockedPlan:
    """A plan in the cache: what it is for, and why it cannot be used here; None where it can."""

    title: str
    objection: str | None


def inventory(
    cache: PlanCache, flavour: Flavour, device: Device, onnx_sha256s: Collection[str]
) -> Iterator[StockedPlan]:
    """Every plan, verified, against this machine and the graphs it serves."""
    for path, record in cache.records():
        if isinstance(record, NoPlan):
            yield StockedPlan(path.name, record.reason)
            continue
        identity = record.identity
        title = f"{record.model}/{record.model_version} {identity.precision} {' '.join(identity.profiles)}"
        found = cache.verify(identity)
        spoilt = found.reason if isinstance(found, NoPlan) else None
        yield StockedPlan(title, spoilt or _objection(identity, flavour, device, onnx_sha256s))


def _objection(
    identity: PlanIdentity, flavour: Flavour, device: Device, onnx_sha256s: Collection[str]
) -> str | None:
    if identity.onnx_sha256 not in onnx_sha256s:
        return "built from a graph that no bundle here has"
    here = identity.model_copy(
        update={
            "flavour": flavour.name,
            "version": flavour.version,
            "platform": this_platform(),
            "builder_revision": BUILDER_REVISION,
            "target": identity.target if flavour.is_rtx else flavour.target(device, ()),
        }
    )
    return ", ".join(here.differences(identity)) or _wrong_target(identity, flavour, device)


def _wrong_target(identity: PlanIdentity, flavour: Flavour, device: Device) -> str | None:
    if not (flavour.is_rtx and isinstance(device, Gpu)) or identity.target == "default":
        return None
    mine = "SM{}{}".format(*device.compute_capability)
    return None if mine in identity.target.split(",") else f"target {identity.target} is not {mine}"
