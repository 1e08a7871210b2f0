"""What to build: the answer to every question that the bundle itself leaves open."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass, replace
from typing import Protocol

from service.domain.signature import Signature
from service.plans.driver import Device
from service.plans.flavour import Flavour
from service.plans.plan import PlanIdentity, Precision, Route
from service.plans.profiles import Profiles

_GIB = 1 << 30


class _Named(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...


class _Graph(Protocol):
    def content(self) -> bytes: ...

    @property
    def signature(self) -> Signature: ...


class Buildable(Protocol):
    """A bundle, as far as building a plan looks into it."""

    @property
    def manifest(self) -> _Named: ...

    @property
    def artifact(self) -> _Graph: ...


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """Profiles, precision and place of a plan; `route` None: the faster one where both can be measured.

    `targets` are compute capabilities as `SM89`, for TensorRT-RTX only; none: all that it supports.
    """

    profiles: Profiles
    device: Device
    precision: Precision = Precision.FP32
    route: Route | None = None
    targets: tuple[str, ...] = ()
    memory_bytes: int = 8 * _GIB

    @property
    def routes(self) -> tuple[Route, ...]:
        """The routes in question, the likelier one first."""
        return (self.route,) if self.route else (Route.HOISTED, Route.PARSER)

    def parts(self) -> tuple[BuildRequest, ...]:
        """One request per profile, for a plan each.

        Profiles of one plan share its kernels, and these take time as dynamic as soon as two profiles
        differ in it: then no CUDA graph can be captured of any.
        """
        return tuple(replace(self, profiles=(profile,)) for profile in self.profiles)


def identity_of(onnx_sha256: str, request: BuildRequest, route: Route, flavour: Flavour) -> PlanIdentity:
    """The identity of the plan that would be built."""
    return PlanIdentity(
        flavour=flavour.name,
        version=flavour.version,
        onnx_sha256=onnx_sha256,
        precision=request.precision,
        route=route,
        profiles=tuple(map(str, request.profiles)),
        flags=("strongly_typed", "tf32=0", f"workspace={request.memory_bytes}"),
        target=flavour.target(request.device, request.targets),
        platform=this_platform(),
    )


def this_platform() -> str:
    """Operating system and processor: a plan holds code for both."""
    return f"{sys.platform}-{platform.machine()}"
