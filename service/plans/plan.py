"""What a plan is: everything that decides whether it may be used, and what was measured when it was built."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from service.plans.profiles import Profile, parse_profile

# Raise it with every change to what is built from a graph: plans of another revision are passed over.
BUILDER_REVISION = 2


class Precision(StrEnum):
    """What a plan computes in. Its inputs and outputs are float32 (or the step's integers) in any case."""

    FP32 = "fp32"
    FP16 = "fp16"
    BF16 = "bf16"


class Route(StrEnum):
    """Who writes the recurrence: TensorRT's parser, or we, with the input projection before the loop."""

    PARSER = "parser"
    HOISTED = "hoisted"


class PlanIdentity(BaseModel):
    """Everything that decides whether a plan is valid here; its digest names the plan's file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    flavour: str
    version: str
    onnx_sha256: str
    precision: Precision
    route: Route
    profiles: tuple[str, ...]
    flags: tuple[str, ...]
    target: str
    platform: str
    builder_revision: int = BUILDER_REVISION

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:32]

    def differences(self, other: PlanIdentity) -> tuple[str, ...]:
        """The fields in which two plans differ, in words: `version 1.6 is not 1.7`."""
        return tuple(
            f"{name} {_shown(theirs)} is not {_shown(mine)}"
            for name, mine, theirs in (
                (n, getattr(self, n), getattr(other, n)) for n in type(self).model_fields
            )
            if mine != theirs
        )


class PlanRecord(BaseModel):
    """A plan beside its identity: its bytes' digest, its tensors, and what building it took.

    `tensors` says for each input and output its direction, type and shape, `input float32 -1x-1x13`.
    `measured_s` is what a run took where the routes were compared. `is_capturable` is what the plan's own
    text says about CUDA graphs; None where it says nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    model_version: str
    identity: PlanIdentity
    plan_sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    plan_bytes: Annotated[int, Field(ge=1)]
    build_seconds: float
    tensors: dict[str, str]
    measured_s: float | None = None
    is_capturable: bool | None = None

    @property
    def profiles(self) -> tuple[Profile, ...]:
        return tuple(parse_profile(text) for text in self.identity.profiles)


def _shown(value: object) -> str:
    return " ".join(value) if isinstance(value, tuple) else str(value)
