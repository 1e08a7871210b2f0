"""An engine that may fail: watched while it runs, halved when memory runs out, probed when it is out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import structlog

from service.backends.canary import Canary
from service.backends.circuit_breaker import CircuitBreaker
from service.backends.engine_thread import Engine, OnOutcome, Outcome
from service.backends.protocol import Capability
from service.domain.batches import Batch, BatchResult
from service.domain.clock import Clock
from service.domain.signature import Signature
from service.errors import EngineBroken, EngineNotFinite, EngineOutOfMemory, EngineStalled

_logger = structlog.get_logger()

# A batch this long may take one `stall_s`, one twice as long twice that.
_STEPS_PER_STALL = 1024


def _say_nothing(is_in_use: bool) -> None:
    """For callers who need not know."""


class GuardedEngine:
    """One engine of several that serve a model version. Lives on the event loop.

    `on_change` is called with True when the breaker closes and with False when it opens.
    """

    def __init__(
        self,
        engine: Engine,
        signature: Signature,
        canary: Canary,
        clock: Clock,
        stall_s: float,
        on_change: Callable[[bool], None] = _say_nothing,
    ) -> None:
        self._engine = engine
        self._signature = signature
        self._canary = canary
        self._clock = clock
        self._stall_s = stall_s
        self._on_change = on_change
        self._breaker = CircuitBreaker()
        self._hanging = 0
        self._is_stopping = False

    @property
    def capability(self) -> Capability:
        return self._engine.capability

    @property
    def is_open(self) -> bool:
        """Out of use: what would be its work goes elsewhere."""
        return self._breaker.is_open

    def submit(self, batch: Batch, on_outcome: OnOutcome) -> None:
        """Run a batch; every outcome comes, in time, and a result is finite."""
        self._watched(batch, lambda outcome: self._halved(batch, outcome, on_outcome))

    def blame(self, failure: Exception) -> None:
        """A batch failed here and nowhere else: it was not the batch."""
        if self._breaker.failed(is_grave=isinstance(failure, EngineStalled | EngineBroken)):
            _logger.error("engine out of use", engine=self.capability.engine, error=str(failure))
            self._on_change(False)
            self._probe_later()

    def praise(self) -> None:
        """A batch succeeded here."""
        self._breaker.succeeded()

    async def stop(self) -> None:
        self._is_stopping = True
        await self._engine.stop()

    def _watched(self, batch: Batch, on_outcome: OnOutcome) -> None:
        """Run it, and report a stall where nothing comes back in time; what comes later is ignored."""
        limit_s = self._stall_s * max(1.0, batch.padded_steps / _STEPS_PER_STALL)
        is_late = False

        def stalled() -> None:
            nonlocal is_late
            is_late = True
            self._hanging += 1
            on_outcome(EngineStalled(f"{self.capability.engine} has not answered within {limit_s:g} s"))

        def ended(outcome: Outcome) -> None:
            timer.cancel()
            if is_late:
                self._hanging -= 1
            else:
                on_outcome(self._checked(batch, outcome))

        timer = self._clock.call_at(self._clock.now() + limit_s, stalled)
        self._engine.submit(batch, ended)

    def _checked(self, batch: Batch, outcome: Outcome) -> Outcome:
        if isinstance(outcome, Exception) or _is_finite(outcome, batch, self._signature.has_step_outputs):
            return outcome
        return EngineNotFinite(f"{outcome.engine}: the output is not finite though the input is")

    def _halved(self, batch: Batch, outcome: Outcome, on_outcome: OnOutcome) -> None:
        """Out of memory: the two halves of the batch one after the other, and halves of these."""
        if not isinstance(outcome, EngineOutOfMemory) or batch.rows == 1:
            on_outcome(outcome)
            return
        middle = batch.rows // 2
        has_step_outputs = self._signature.has_step_outputs

        def first_ended(first: Outcome) -> None:
            if isinstance(first, Exception):
                on_outcome(first)
                return
            self.submit(
                batch.part(middle, batch.rows),
                lambda second: on_outcome(_joined(first, second, has_step_outputs)),
            )

        self.submit(batch.part(0, middle), first_ended)

    def _probe_later(self) -> None:
        self._clock.call_at(self._clock.now() + self._breaker.pause_s, self._probe)

    def _probe(self) -> None:
        if self._is_stopping:
            return
        if self._hanging:
            self._breaker.probe_failed()
            self._probe_later()
        else:
            self._watched(self._canary.batch, self._probed)

    def _probed(self, outcome: Outcome) -> None:
        fault = str(outcome) if isinstance(outcome, Exception) else self._canary.fault(outcome)
        if fault is None:
            self._breaker.probe_succeeded()
            _logger.info("engine back in use", engine=self.capability.engine)
            self._on_change(True)
            return
        self._breaker.probe_failed()
        _logger.warning(
            "engine still out of use",
            engine=self.capability.engine,
            error=fault,
            next_probe_s=self._breaker.pause_s,
        )
        self._probe_later()


def _is_finite(result: BatchResult, batch: Batch, has_step_outputs: bool) -> bool:
    """Whether every row's own output is; what lies past a row's length is nobody's."""
    if result.is_finite:
        return True
    if not has_step_outputs:
        return False
    rows = enumerate(batch.lengths.tolist())
    return all(bool(np.isfinite(result.output[:steps, row]).all()) for row, steps in rows)


def _joined(first: BatchResult, second: Outcome, has_step_outputs: bool) -> Outcome:
    """Two halves' results as one."""
    if isinstance(second, Exception):
        return second
    return replace(
        first,
        output=np.concatenate([first.output, second.output], axis=1 if has_step_outputs else 0),
        states=tuple(np.concatenate(pair) for pair in zip(first.states, second.states, strict=True)),
        compute_s=first.compute_s + second.compute_s,
        is_finite=first.is_finite and second.is_finite,
    )
