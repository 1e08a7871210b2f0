"""Several engines for one model version, best first: what one cannot answer, the next does."""

from __future__ import annotations

import asyncio
from bisect import bisect
from collections.abc import Callable
from dataclasses import replace

import structlog

from service.backends.engine_thread import Engine, OnOutcome, Outcome
from service.backends.guarded_engine import GuardedEngine, is_grave
from service.backends.protocol import Capability
from service.domain.batches import Batch, BatchResult
from service.domain.clock import Clock
from service.errors import EngineFailed
from service.telemetry.metrics import EngineMetrics

_logger = structlog.get_logger()


class FallbackEngine:
    """An engine made of guarded ones and, last, one that is always tried.

    A batch that fails moves on to the next engine; only when that one succeeds was it the engine's fault
    and not the batch's. State is committed by the scheduler after success, so running a batch again is safe.
    Lives on the event loop, so nothing here needs a lock.
    """

    def __init__(self, last: Engine, clock: Clock, metrics: EngineMetrics) -> None:
        self._last = last
        self._clock = clock
        self._succeeded_s = clock.now()
        self._guarded: list[GuardedEngine] = []
        self._places: list[int] = []
        self._metrics = metrics
        self._observers: list[Callable[[Batch, BatchResult], None]] = []

    @property
    def capability(self) -> Capability:
        """The engine that runs the next batch."""
        # Asked several times a request: without a list of all that work.
        for engine in self._guarded:
            if not engine.is_open:
                return engine.capability
        return self._last.capability

    @property
    def engines(self) -> dict[str, Engine]:
        """Every engine by its name, best first."""
        return {engine.capability.engine: engine for engine in (*self._guarded, self._last)}

    @property
    def idle_s(self) -> float:
        """Time since a batch was answered, or since there are engines."""
        return self._clock.now() - self._succeeded_s

    def in_use(self) -> list[Engine]:
        """The engines that work, best first."""
        return [*(engine for engine in self._guarded if not engine.is_open), self._last]

    @property
    def is_degraded(self) -> bool:
        """Whether a better engine than the one in use is out of use."""
        return bool(self._guarded) and self._guarded[0].is_open

    def join(self, engine: GuardedEngine, place: int) -> None:
        """Take a loaded, proven engine into use; the lower its place, the earlier it is tried."""
        index = bisect(self._places, place)
        self._places.insert(index, place)
        self._guarded.insert(index, engine)

    def observe(self, observer: Callable[[Batch, BatchResult], None]) -> None:
        """Have every batch and its result shown to `observer`, before the batch's memory is used again."""
        self._observers.append(observer)

    def submit(self, batch: Batch, on_outcome: OnOutcome) -> None:
        """Run a batch on the best engine in use that takes it."""
        usable = [e for e in self._guarded if not e.is_open and e.capability.takes(batch)]
        self._try(batch, usable, [], on_outcome)

    async def stop(self) -> None:
        await asyncio.gather(*(engine.stop() for engine in self._guarded), self._last.stop())

    def _try(
        self,
        batch: Batch,
        usable: list[GuardedEngine],
        failures: list[tuple[GuardedEngine, Exception]],
        on_outcome: OnOutcome,
    ) -> None:
        if not usable:
            self._last.submit(batch, lambda outcome: self._end(batch, outcome, failures, on_outcome))
            return
        engine, *others = usable

        def ended(outcome: Outcome) -> None:
            if isinstance(outcome, Exception):
                if is_grave(outcome):
                    engine.blame(outcome)
                self._try(batch, others, [*failures, (engine, outcome)], on_outcome)
            else:
                engine.praise()
                self._end(batch, outcome, failures, on_outcome)

        engine.submit(batch, ended)

    def _end(
        self,
        batch: Batch,
        outcome: Outcome,
        failures: list[tuple[GuardedEngine, Exception]],
        on_outcome: OnOutcome,
    ) -> None:
        if isinstance(outcome, Exception):
            on_outcome(outcome)
            return
        self._succeeded_s = self._clock.now()
        for engine, failure in failures:
            self._moved(engine, failure, batch, outcome)
        result = replace(outcome, is_degraded=True) if failures or self.is_degraded else outcome
        self._show(batch.as_run(result), result)
        on_outcome(result)

    def _show(self, batch: Batch, result: BatchResult) -> None:
        if not batch.rows:
            return
        for observer in self._observers:
            try:
                observer(batch, result)
            except Exception:
                # Whatever goes wrong beside the batch: its callers get their answers.
                _logger.exception("observer failed")

    def _moved(self, engine: GuardedEngine, failure: Exception, batch: Batch, result: BatchResult) -> None:
        reason = failure.fault if isinstance(failure, EngineFailed) else EngineFailed.fault
        self._metrics.failed_over(engine.capability.device, result.device, reason)
        _logger.warning(
            "batch moved to another engine",
            from_engine=engine.capability.engine,
            to_engine=result.engine,
            reason=reason,
            error=str(failure),
        )
        if engine.is_to_blame(failure, batch, result):
            engine.blame(failure)
