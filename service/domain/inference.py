"""A request as every door hands it to the predictor, and what it gets back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from service.domain.tensors import Array


@dataclass(frozen=True, slots=True)
class InferRequest:
    """Sequences for one model, each `[steps, *step]`, of any lengths."""

    model: str
    sequences: list[Array]
    version: str | None = None
    timeout_s: float | None = None
    is_abandoned: Callable[[], bool] | None = None


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds a request spent waiting, in its batch from forming to splitting, and in the engine."""

    queue_s: float
    batch_s: float
    compute_s: float


@dataclass(frozen=True, slots=True)
class InferResult:
    """One output per sequence, in the request's order: `[*output]`, or `[steps, *output]`."""

    model: str
    version: str
    outputs: list[Array]
    device: str
    timings: Timings
