"""One model version in service: its contract, its engine, its scheduler."""

from __future__ import annotations

from dataclasses import dataclass

from service.backends.engine_thread import EngineThread
from service.batching.scheduler import Scheduler
from service.domain.answers import Wording
from service.domain.signature import Signature
from service.repository.golden import GoldenVectors
from service.repository.manifest import Manifest
from service.telemetry.metrics import ModelMetrics


@dataclass(frozen=True, slots=True)
class ServedModel:
    """Everything a request for this version needs, looked up once."""

    manifest: Manifest
    signature: Signature
    scheduler: Scheduler
    engine: EngineThread
    wording: Wording
    symbol_ids: dict[str, int]
    golden: GoldenVectors
    metrics: ModelMetrics

    async def close(self) -> None:
        """Finish what was accepted, then release the engine."""
        await self.scheduler.stop()
        await self.engine.stop()
