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
from service.backends.watchdog import Watchdog
from service.domain.batches import Batch, BatchResult, fits
from service.domain.clock import Clock
from service.domain.signature import Signature
from service.errors import EngineBroken, EngineFailed, EngineNotFinite, EngineOutOfMemory, EngineStalled

_logger = structlog.get_logger()


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
        self._on_change = on_change
        self._breaker = CircuitBreaker()
        self._watchdog = Watchdog(engine, clock, stall_s)
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
        self._watchdog.run(
            batch, lambda outcome: self._halved(batch, self._checked(batch, outcome), on_outcome)
        )

    def is_to_blame(self, failure: Exception, batch: Batch, result: BatchResult) -> bool:
        """Whether a failure, seen beside another engine's result, is this engine's and not yet counted."""
        if isinstance(failure, EngineNotFinite):
            return not isinstance(self._checked(batch, result), Exception)
        return not is_grave(failure)

    def blame(self, failure: Exception) -> None:
        """A batch failed here and nowhere else, or in a way that is never the batch's fault."""
        if self._breaker.failed(is_grave(failure)):
            _logger.error("engine out of use", engine=self.capability.engine, error=str(failure))
            if (table := self.capability.table) is not None:
                table.renounce()
            self._on_change(False)
            self._probe_later()

    def praise(self) -> None:
        """A batch succeeded here."""
        self._breaker.succeeded()

    async def stop(self) -> None:
        self._is_stopping = True
        await self._engine.stop()

    def _checked(self, batch: Batch, outcome: Outcome) -> Outcome:
        if isinstance(outcome, Exception):
            return outcome
        batch = batch.as_run(outcome)
        reads = len(batch.device_states.read) if batch.device_states is not None else 0
        if not fits(outcome, self._signature, batch.rows, batch.padded_steps, reads):
            return EngineFailed(
                f"{outcome.engine}: the output, of shape {outcome.output.shape}, is not the batch's"
            )
        if not _is_finite(outcome, batch, self._signature.has_step_outputs):
            return EngineNotFinite(f"{outcome.engine}: the output is not finite though the input is")
        return outcome

    def _halved(self, batch: Batch, outcome: Outcome, on_outcome: OnOutcome) -> None:
        """Out of memory: the two halves of the batch one after the other, and halves of these."""
        if not isinstance(outcome, EngineOutOfMemory) or batch.rows <= 1:
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
        if self._watchdog.hanging:
            self._breaker.probe_failed()
            self._probe_later()
        else:
            self._watchdog.run(self._canary.batch, self._probed)

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


def is_grave(failure: Exception) -> bool:
    """Whatever the batch is like: an engine that fails so must not be given the next one."""
    return isinstance(failure, EngineStalled | EngineBroken)


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
