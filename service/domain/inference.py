"""A request as every door hands it to the predictor, and what it gets back."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from service.domain.priority import DEFAULT
from service.domain.tensors import Array
from service.domain.tracing import RequestTrace


class StreamStep(NamedTuple):
    """That a request's sequences go on where those of the session before them ended.

    `number` counts the session's steps from 1, None takes the next; a step that `starts` opens the session,
    one that `ends` closes it. `hold` is what the caller shows where the session is held by one client.
    """

    session: str
    number: int | None = None
    starts: bool = False
    ends: bool = False
    hold: object = None


class InferRequest(NamedTuple):
    """Sequences for one model, each `[steps, *step]`, of any lengths.

    `held_bytes` is what the door keeps in memory for as long as the request waits, if the sequences are
    only views of it.
    """

    model: str
    sequences: list[Array]
    version: str | None = None
    timeout_s: float | None = None
    is_abandoned: Callable[[], bool] | None = None
    priority: int = DEFAULT
    held_bytes: int = 0
    trace: RequestTrace | None = None
    stream: StreamStep | None = None


class Timings(NamedTuple):
    """Seconds a request spent waiting, in its batch from forming to splitting, and in the engine."""

    queue_s: float
    batch_s: float
    compute_s: float


class InferResult(NamedTuple):
    """One output per sequence, in the request's order: `[*output]`, or `[steps, *output]`.

    `is_degraded` says that a better device than the one that answered is out of use. `step` is the number of
    the session's step, 0 where there is no session.
    """

    model: str
    version: str
    outputs: list[Array]
    device: str
    is_degraded: bool
    timings: Timings
    step: int = 0
