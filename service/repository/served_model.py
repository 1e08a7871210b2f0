"""One model version in service: its contract, its engines, its scheduler."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from service.backends.canary import Canary
from service.backends.engine_thread import Outcome
from service.backends.fallback import FallbackEngine
from service.batching.cost_model import EngineCosts
from service.batching.scheduler import Scheduler
from service.batching.step_batcher import StepBatcher
from service.domain.answers import Wording
from service.domain.signature import Signature
from service.repository.golden import GoldenVectors
from service.repository.manifest import Manifest
from service.repository.scanner import Bundle
from service.sessions.sessions import Sessions
from service.telemetry.metrics import ModelMetrics


@dataclass(frozen=True, slots=True)
class ServedModel:
    """Everything a request for this version needs, looked up once."""

    bundle: Bundle
    signature: Signature
    scheduler: Scheduler
    engines: FallbackEngine
    costs: EngineCosts
    wording: Wording
    symbol_ids: dict[str, int]
    golden: GoldenVectors
    canary: Canary
    metrics: ModelMetrics
    # None where the model cannot stream, or is set to whole sequences.
    sessions: Sessions | None = None
    refused_engines: dict[str, str] = field(default_factory=dict)
    # The canary's answer that is awaited, if any.
    asked: list[asyncio.Future[Outcome]] = field(default_factory=list)

    @property
    def manifest(self) -> Manifest:
        return self.bundle.manifest

    def take_over(self) -> None:
        """From now on it is this one's queue, and its states, that the name's gauges show."""
        self.metrics.waiting.set_function(lambda: self.scheduler.waiting)
        if isinstance(self.scheduler, StepBatcher):
            self.scheduler.show_states()

    async def close(self) -> None:
        """Finish what was accepted, then release the engines."""
        await self.scheduler.stop()
        if self.sessions is not None:
            await self.sessions.bring_all()
        await self.engines.stop()
        self.metrics.release()
