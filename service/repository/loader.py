"""From a bundle on disk to a version in service: load, warm, measure, prove."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from service.backends.canary import Canary
from service.backends.engine_thread import EngineThread
from service.backends.factory import create_backend
from service.backends.fallback import FallbackEngine
from service.backends.shadow import Shadow
from service.batching.cost_model import EngineCosts
from service.domain.clock import Clock
from service.domain.tracing import BatchObserver
from service.plans.plan import Precision
from service.repository.golden import GoldenVectors, read_golden
from service.repository.proving import canary_of, prove, tolerance_of, warm
from service.repository.scanner import Bundle, read_bundle
from service.repository.scheduling import scheduler_of, sessions_of
from service.repository.served_model import ServedModel
from service.repository.state_proof import prove_states
from service.repository.wording import wording_of
from service.settings import Settings
from service.telemetry.metrics import EngineState, Metrics


@dataclass(frozen=True, slots=True)
class Loader:
    """Brings bundles into service with one server's settings, metrics and clock.

    `observer` is shown every batch.
    """

    settings: Settings
    metrics: Metrics
    clock: Clock
    observer: BatchObserver | None = None

    async def load(self, folder: Path) -> ServedModel:
        """Raises InvalidBundle with the reason where the bundle must not be served."""
        return await self.load_bundle(
            await asyncio.to_thread(read_bundle, folder, self.settings.max_model_bytes)
        )

    async def load_bundle(self, bundle: Bundle) -> ServedModel:
        """The same of a bundle whose files are checked already."""
        loop = asyncio.get_running_loop()
        golden = await asyncio.to_thread(read_golden, bundle.folder)
        manifest = bundle.manifest
        backend = await asyncio.to_thread(create_backend, self.settings)
        engine = EngineThread(backend, f"{manifest.name}-{manifest.version}", loop)
        await asyncio.to_thread(engine.load, bundle.artifact)
        engine.start()
        try:
            await prove(engine, manifest, golden, manifest.tolerance.reference)
            await prove_states(engine, manifest, golden)
            observations = await warm(engine, manifest.signature, self.clock)
            canary = await canary_of(engine, manifest, golden, manifest.tolerance.reference)
        except BaseException:
            await engine.stop()
            raise
        return self._serve(bundle, engine, observations, golden, canary)

    def _serve(
        self,
        bundle: Bundle,
        engine: EngineThread,
        observations: list[tuple[int, int, float]],
        golden: GoldenVectors,
        canary: Canary,
    ) -> ServedModel:
        manifest, settings = bundle.manifest, self.settings
        signature = manifest.signature
        metrics = self.metrics.for_model(manifest.name, manifest.version)
        engines = FallbackEngine(engine, self.clock, metrics.engines)
        if settings.shadow_share:
            tolerance = tolerance_of(manifest, golden, Precision(settings.gpu_precision))
            engines.observe(Shadow(engines, signature, settings.shadow_share, tolerance, metrics.shadow))
        metrics.engines.is_now(engine.capability.engine, EngineState.IN_USE)
        costs = EngineCosts(lambda: engines.capability.engine)
        costs.of(engine.capability.engine).calibrate(observations)
        scheduler = scheduler_of(settings, manifest, engines, costs, self.clock, metrics, self.observer)
        symbols = manifest.step.symbols or ()
        return ServedModel(
            bundle=bundle,
            signature=signature,
            scheduler=scheduler,
            engines=engines,
            costs=costs,
            wording=wording_of(manifest),
            symbol_ids={symbol: index for index, symbol in enumerate(symbols)},
            golden=golden,
            canary=canary,
            metrics=metrics,
            sessions=sessions_of(settings, manifest, scheduler, self.clock, metrics),
        )
