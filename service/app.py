"""The composition root: the one place where the parts meet."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from service.api.call import BodyLimits
from service.api.error_responses import ErrorResponses
from service.api.front import Front, HotRoute
from service.api.lifespan import Lifespan
from service.api.metrics_page import metrics_route
from service.api.open_inference.infer import InferDoor
from service.api.open_inference.log_routes import log_routes
from service.api.open_inference.metadata import metadata_routes
from service.api.openapi import describe, document_hot_routes
from service.api.predict import PredictDoor
from service.backends.daemon_call import called_on_a_daemon
from service.dashboard.routes import dashboard_routes
from service.domain.clock import LoopClock
from service.domain.tracing import BatchObserver
from service.errors import CarouselError, InvalidBundle
from service.predictor import Predictor
from service.repository.acceleration import Accelerator
from service.repository.engine_sources import engine_sources
from service.repository.loader import Loader
from service.repository.registry import Registry
from service.repository.scanner import bundle_folders
from service.settings import Settings
from service.telemetry.metrics import Metrics
from service.telemetry.tracing import Tracing, tracing_of

_logger = structlog.get_logger()

# What a collector that does not answer may hold up the end.
_LONGEST_FLUSH_S = 5.0


class Carousel:
    """One server: an ASGI application with its models, and whether it is ready.

    `tracing` goes before what the settings ask for.
    """

    def __init__(self, settings: Settings, tracing: Tracing | None = None) -> None:
        self.settings = settings
        self.metrics = Metrics(CollectorRegistry())
        self.registry = Registry()
        self.is_ready = False
        self._acceleration: asyncio.Task[None] | None = None
        self.errors = errors = ErrorResponses(self.metrics)
        self._clock = LoopClock()
        self.tracing = tracing or tracing_of(settings, self._clock)
        self.predictor = predictor = Predictor(self.registry, settings, self._clock)
        self._asgi = Front(
            self._fastapi(errors),
            [
                HotRoute("/predict", "", PredictDoor(predictor)),
                HotRoute("/v2/models", "/infer", InferDoor(predictor)),
            ],
            BodyLimits(settings.max_body_bytes, settings.body_timeout_s),
            errors,
            self.tracing,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await Lifespan(self.start, self.stop)(scope, receive, send)
        else:
            await self._asgi(scope, receive, send)

    def drain(self) -> None:
        """Say 'not ready' from now on; what is accepted is still answered."""
        self._set_ready(False)

    def _fastapi(self, errors: ErrorResponses) -> FastAPI:
        app = FastAPI(**describe())
        app.add_exception_handler(CarouselError, errors.handle)
        app.add_exception_handler(HTTPException, errors.handle_http)
        max_rows = self.settings.max_request_rows
        app.include_router(metadata_routes(self.registry, lambda: self.is_ready, max_rows))
        app.include_router(log_routes())
        app.include_router(metrics_route(self.metrics.registry))
        app.include_router(dashboard_routes(self.registry))
        document_hot_routes(app, self.registry)
        return app

    async def start(self) -> None:
        """Load, warm and prove every bundle; raises InvalidBundle where nothing could be served."""
        await self._load()
        self._set_ready(True)
        self._acceleration = asyncio.create_task(self._accelerate())

    async def stop(self) -> None:
        """Answer what was accepted, then release the engines."""
        self._set_ready(False)
        if self._acceleration is not None:
            self._acceleration.cancel()
            await asyncio.wait([self._acceleration])
        await self.registry.close()
        if self.tracing is not None:
            await _closed(self.tracing)
        _logger.info("stopped")

    async def _load(self) -> None:
        loader = Loader(self.settings, self.metrics, self._clock, self._batch_observer)
        for folder in self._wanted_folders():
            name, version = folder.parent.name, folder.name
            try:
                self.registry.add(await loader.load(folder))
            except Exception as failure:  # noqa: BLE001 - whatever is wrong with one bundle, the others are served
                self._refuse(name, version, failure)
        if not self.registry.models:
            raise InvalidBundle(f"{self.settings.models_dir}: holds no bundle that can be served")
        _logger.info("models loaded", count=len(self.registry.models))

    async def _accelerate(self) -> None:
        """Bring the GPU's engines to the models, which serve on the CPU meanwhile."""
        if not self.settings.engines:
            return
        try:
            sources = await called_on_a_daemon(lambda: engine_sources(self.settings))
            accelerator = Accelerator(sources, self._clock, self.settings.engine_stall_s)
            await accelerator.accelerate(self.registry.models)
        except Exception:
            _logger.exception("no GPU engines")

    @property
    def _batch_observer(self) -> BatchObserver | None:
        return None if self.tracing is None else self.tracing.batches

    def _wanted_folders(self) -> list[Path]:
        folders = list(bundle_folders(self.settings.models_dir))
        wanted = self.settings.models
        if wanted is None:
            return folders
        if missing := wanted - {folder.parent.name for folder in folders}:
            raise InvalidBundle(f"models: {self.settings.models_dir} has no {', '.join(sorted(missing))}")
        return [folder for folder in folders if folder.parent.name in wanted]

    def _refuse(self, name: str, version: str, failure: Exception) -> None:
        is_foreseen = isinstance(failure, InvalidBundle)
        reason = str(failure) if is_foreseen else f"{type(failure).__name__}: {failure}"
        self.registry.add_failure(name, version, reason)
        trace = None if is_foreseen else failure
        _logger.error("bundle refused", model=name, version=version, error=reason, exc_info=trace)

    def _set_ready(self, is_ready: bool) -> None:
        self.is_ready = is_ready
        self.metrics.is_ready.set(is_ready)


async def _closed(tracing: Tracing) -> None:
    """Send the last spans, or leave them behind."""
    try:
        await asyncio.wait_for(called_on_a_daemon(tracing.close), _LONGEST_FLUSH_S)
    except TimeoutError:
        _logger.warning("spans are lost: the collector did not take them", waited_s=_LONGEST_FLUSH_S)
