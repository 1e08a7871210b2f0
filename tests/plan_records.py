"""Plans without TensorRT: an identity, some bytes, and the record that belongs to both."""

from __future__ import annotations

import hashlib
from typing import Any

from service.plans.driver import NoGpu
from service.plans.plan import PlanIdentity, PlanRecord, Precision, Route

NO_GPU = NoGpu("these tests need none")


def identity(**changed: Any) -> PlanIdentity:
    """An identity that differs from the others in what is given."""
    given: dict[str, Any] = {
        "flavour": "tensorrt-rtx",
        "version": "1.7.1.116",
        "onnx_sha256": "a" * 64,
        "precision": Precision.FP32,
        "route": Route.HOISTED,
        "profiles": ("16:1-4-8",),
        "flags": ("tf32=0",),
        "target": "default",
        "platform": "linux-x86_64",
    }
    return PlanIdentity(**given | changed)


def record(plan: bytes, of: PlanIdentity | None = None) -> PlanRecord:
    """What is written beside `plan`."""
    return PlanRecord(
        model="digits",
        model_version="1",
        identity=of or identity(),
        plan_sha256=hashlib.sha256(plan).hexdigest(),
        plan_bytes=len(plan),
        build_seconds=0.5,
        tensors={"sequence": "input float 16x-1x13"},
    )
