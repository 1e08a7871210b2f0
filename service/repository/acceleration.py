"""Faster engines for models that already serve on the CPU: made ready in the background, then joined."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from service.backends.daemon_call import called_on_a_daemon
from service.backends.engine_thread import EngineThread
from service.backends.guarded_engine import GuardedEngine
from service.backends.protocol import Backend
from service.domain.clock import Clock
from service.errors import CarouselError, EngineFailed
from service.repository.proving import check, prove, warm
from service.repository.scanner import Bundle
from service.repository.served_model import ServedModel
from service.telemetry.metrics import EngineState

_logger = structlog.get_logger()

# Kernels of a large model are compiled while it is warmed up.
_LOAD_S = 300.0


class EngineSource(Protocol):
    """One kind of engine this machine may have, named as in metrics: `tensorrt`, `onnxruntime-cuda`."""

    @property
    def name(self) -> str: ...

    def tolerance(self, bundle: Bundle) -> float:
        """How far its answers may be from the bundle's golden vectors, in the precision it computes in."""
        ...

    async def prepare(self, bundle: Bundle) -> None:
        """Everything that takes long and may crash, away from this process: plans built and tried.

        Raises CarouselError where the bundle cannot have this engine.
        """
        ...

    def load(self, bundle: Bundle) -> Backend:
        """A backend that is loaded and warm; blocking. Raises CarouselError."""
        ...


@dataclass(frozen=True, slots=True)
class Accelerator:
    """Brings the engines of `sources`, best first, to models. Never in a request's way."""

    sources: Sequence[EngineSource]
    clock: Clock
    stall_s: float

    async def accelerate(self, models: Sequence[ServedModel]) -> None:
        """One model and one engine after the other; what fails is told and leaves the model as it was."""
        for model in models:
            for place, source in enumerate(self.sources):
                await self._bring(model, source, place)

    async def _bring(self, model: ServedModel, source: EngineSource, place: int) -> None:
        name, version = model.manifest.name, model.manifest.version
        states = model.metrics.engines
        try:
            states.is_now(source.name, EngineState.BUILDING)
            await source.prepare(model.bundle)
            states.is_now(source.name, EngineState.LOADING)
            await self._join_in_time(model, source, place)
        except Exception as failure:
            states.is_now(source.name, EngineState.REFUSED)
            reason = str(failure) or type(failure).__name__
            model.refused_engines[source.name] = reason
            trace = None if isinstance(failure, CarouselError) else failure
            _logger.warning(
                "engine refused",
                model=name,
                version=version,
                engine=source.name,
                error=reason,
                exc_info=trace,
            )
            return
        states.is_now(source.name, EngineState.IN_USE)
        _logger.info("engine in use", model=name, version=version, engine=source.name)

    async def _join_in_time(self, model: ServedModel, source: EngineSource, place: int) -> None:
        """A GPU that hangs must not keep the other models from theirs."""
        try:
            async with asyncio.timeout(_LOAD_S):
                await self._join(model, source, place)
        except TimeoutError:
            raise EngineFailed(f"not loaded and proved within {_LOAD_S:g} s") from None

    async def _join(self, model: ServedModel, source: EngineSource, place: int) -> None:
        manifest = model.manifest
        tolerance = await asyncio.to_thread(source.tolerance, model.bundle)
        canary = replace(model.canary, tolerance=tolerance)
        backend = await called_on_a_daemon(lambda: source.load(model.bundle), lambda unused: unused.close())
        name = f"{manifest.name}-{manifest.version}-{source.name}"
        thread = EngineThread(backend, name, asyncio.get_running_loop())
        thread.start()
        try:
            await prove(thread, manifest, model.golden, tolerance)
            await check(thread, canary, f"{manifest.name}/{manifest.version}: the canary")
            observations = await warm(thread, manifest.signature, self.clock)
        except BaseException:
            await thread.stop()
            raise
        model.costs.of(source.name).calibrate(observations)
        states = model.metrics.engines

        def on_change(is_in_use: bool) -> None:
            states.is_now(source.name, EngineState.IN_USE if is_in_use else EngineState.OUT_OF_USE)

        guarded = GuardedEngine(thread, manifest.signature, canary, self.clock, self.stall_s, on_change)
        model.engines.join(guarded, place)
