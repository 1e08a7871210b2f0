"""A share of live traffic run again on the other device, to see whether the two agree and which is faster."""

from __future__ import annotations

import asyncio

import numpy as np
import structlog

from service.backends.engine_thread import Engine, Outcome
from service.backends.fallback import FallbackEngine
from service.domain.batches import Batch, BatchResult
from service.domain.signature import Signature
from service.domain.tensors import Array
from service.telemetry.metrics import ShadowMetrics

_logger = structlog.get_logger()


class Shadow:
    """Watches a FallbackEngine's batches; at most one is run again at a time, on a device not in use.

    Of every batch `share` is owed to the shadow, so that 0.01 is each hundredth. What the other engine
    answers reaches no caller. Lives on the event loop; the comparison is made beside it.
    """

    def __init__(
        self,
        engines: FallbackEngine,
        signature: Signature,
        share: float,
        tolerance: float,
        metrics: ShadowMetrics,
    ) -> None:
        self._engines = engines
        self._has_step_outputs = signature.has_step_outputs
        self._share = share
        self._tolerance = tolerance
        self._metrics = metrics
        self._owed = 0.0
        self._is_busy = False
        self._comparisons: set[asyncio.Task[None]] = set()

    def __call__(self, batch: Batch, result: BatchResult) -> None:
        """Take a batch and its live result into account; the batch is copied before this returns."""
        self._owed = min(1.0, self._owed + self._share)
        other = self._other(batch, result)
        if self._owed < 1.0 or self._is_busy or other is None:
            return
        self._owed -= 1.0
        copied = batch.copy()
        self._is_busy = True
        other.submit(copied, lambda outcome: self._answered(copied, result, outcome))

    def _other(self, batch: Batch, result: BatchResult) -> Engine | None:
        """The best engine in use that takes the batch, on another device than the one that answered."""
        capabilities = ((engine, engine.capability) for engine in self._engines.in_use())
        return next((e for e, can in capabilities if can.device != result.device and can.takes(batch)), None)

    def _answered(self, batch: Batch, live: BatchResult, outcome: Outcome) -> None:
        if isinstance(outcome, Exception):
            self._is_busy = False
            self._metrics.failures.inc()
            _logger.warning("shadow run failed", error=str(outcome))
            return
        task = asyncio.get_running_loop().create_task(self._compare(batch, live, outcome))
        self._comparisons.add(task)
        task.add_done_callback(self._comparisons.discard)

    async def _compare(self, batch: Batch, live: BatchResult, shadow: BatchResult) -> None:
        try:
            errors = await asyncio.to_thread(
                row_errors, batch.lengths, live.output, shadow.output, self._has_step_outputs
            )
            for error in errors:
                self._metrics.error.observe(error)
                # Not a number is larger than any tolerance.
                if not error <= self._tolerance:
                    self._metrics.mismatches.inc()
            if not _is_run_again(batch):
                self._metrics.timed(live.device, live.compute_s, shadow.device, shadow.compute_s)
        finally:
            self._is_busy = False


def _is_run_again(batch: Batch) -> bool:
    """Whether one of the two ran steps that led to the batch's states as well: their times do not compare."""
    states = batch.device_states
    return states is not None and any(state.steps for state in states.before)


def row_errors(lengths: Array, live: Array, shadow: Array, has_step_outputs: bool) -> list[float]:
    """Each row's largest absolute difference, over its own steps only; infinite where shapes differ."""
    if live.shape != shadow.shape:
        return [float("inf")] * len(lengths)
    off = np.abs(live - shadow)
    if has_step_outputs:
        return [float(off[:steps, row].max()) for row, steps in enumerate(lengths.tolist())]
    return [float(row.max()) for row in off]
