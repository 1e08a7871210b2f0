"""The composition root: the one place where the parts meet."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from service.admission.admission import Admission
from service.admission.roles import Role
from service.api.call import BodyLimits
from service.api.cors import with_cors
from service.api.error_responses import ErrorResponses
from service.api.forecast import forecast_routes
from service.api.front import Front, HotRoute
from service.api.generate import generate_routes
from service.api.guard import Guard
from service.api.inspect_model import InspectDoor
from service.api.lifespan import Lifespan
from service.api.metrics_page import metrics_route
from service.api.open_inference.infer import InferDoor
from service.api.open_inference.log_routes import log_routes
from service.api.open_inference.metadata import metadata_routes
from service.api.open_inference.model_control import model_control_routes
from service.api.openapi import describe, document_hot_routes
from service.api.predict import PredictDoor
from service.api.session_state import session_state_routes
from service.api.sessions import session_routes
from service.api.stream_route import stream_route
from service.api.stream_steps import StreamParts
from service.api.streams import Streams
from service.backends.daemon_call import called_on_a_daemon
from service.dashboard.routes import dashboard_routes
from service.domain.clock import LoopClock
from service.domain.tracing import BatchObserver
from service.errors import CarouselError, InvalidSettings
from service.inspection.inspector import Inspector
from service.predictor import Predictor
from service.repository.acceleration import EngineSource
from service.repository.acceleration_queue import AccelerationQueue
from service.repository.departures import Departures
from service.repository.engine_sources import engine_sources
from service.repository.lifecycle import Lifecycle
from service.repository.loader import Loader
from service.repository.registry import Registry
from service.repository.replacement import Replacement
from service.sessions.client_state import seal_of
from service.sessions.persistence import Persistence
from service.sessions.stores.opening import open_store, reached
from service.settings import Settings
from service.telemetry.metrics import Metrics, SaveMetrics
from service.telemetry.tracing import Tracing, tracing_of

if TYPE_CHECKING:
    from service.api.grpc.server import GrpcServer

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
        self.errors = errors = ErrorResponses(self.metrics)
        self._clock = LoopClock()
        self.tracing = tracing or tracing_of(settings, self._clock)
        self.predictor = predictor = Predictor(self.registry, settings, self._clock)
        inspector = Inspector(predictor, settings, self._clock)
        self.acceleration = AccelerationQueue(self._engine_sources, self._clock, settings.engine_stall_s)
        self.lifecycle = self._lifecycle()
        self.admission = admission = Admission(settings, self.metrics.admitted)
        body_limits = BodyLimits(settings.max_body_bytes, settings.body_timeout_s)
        front = Front(
            Guard(self._fastapi(errors), admission, body_limits, errors),
            [
                HotRoute("/predict", "", PredictDoor(predictor)),
                HotRoute("/v2/models", "/infer", InferDoor(predictor)),
                HotRoute("/v2/models", "/inspect", InspectDoor(predictor, inspector)),
            ],
            body_limits,
            errors,
            self.tracing,
            admission.guarding(Role.INFER),
        )
        self._asgi = with_cors(front, settings.cors_origins)
        self.streams = self._streams()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "http":
            await self._asgi(scope, receive, send)
        elif kind == "websocket":
            await self.streams(scope, receive, send)
        else:
            await Lifespan(self.start, self.stop)(scope, receive, send)

    def drain(self) -> None:
        """Say 'not ready' from now on; what is accepted is still answered."""
        self._set_ready(False)

    def grpc_server(self) -> GrpcServer:
        """The same doors over gRPC, not yet listening."""
        # A tenth of a second that a server without gRPC is spared.
        from service.api.grpc.server import GrpcServer

        return GrpcServer(
            self.predictor,
            self.errors,
            lambda: self.is_ready,
            self.settings,
            self.lifecycle,
            self.admission,
            self.tracing,
        )

    def _fastapi(self, errors: ErrorResponses) -> FastAPI:
        app = FastAPI(**describe())
        app.add_exception_handler(CarouselError, errors.handle)
        app.add_exception_handler(HTTPException, errors.handle_http)
        app.add_exception_handler(Exception, errors.handle)
        max_rows, timeout_s = self.settings.max_request_rows, self.settings.default_timeout_s
        app.include_router(metadata_routes(self.registry, lambda: self.is_ready, max_rows))
        app.include_router(model_control_routes(self.lifecycle))
        app.include_router(log_routes())
        app.include_router(session_routes(self.predictor, max_rows))
        body_bytes = self.settings.max_body_bytes
        app.include_router(session_state_routes(self.predictor, seal_of(self.settings), max_rows, body_bytes))
        app.include_router(stream_route())
        app.include_router(generate_routes(self.predictor, timeout_s, lambda: self.is_ready))
        app.include_router(forecast_routes(self.predictor, timeout_s, lambda: self.is_ready))
        app.include_router(metrics_route(self.metrics.registry, self._clock))
        app.include_router(dashboard_routes(self.registry))
        document_hot_routes(app, self.registry)
        return app

    async def start(self) -> None:
        """Load, warm and prove what is wanted.

        Raises InvalidBundle where nothing can be served, InvalidSettings where sessions cannot be kept
        where they should be.
        """
        await self._open_session_store()
        try:
            await self.lifecycle.start()
        except BaseException:
            await self._close_session_store()
            raise
        self._set_ready(True)

    async def stop(self) -> None:
        """Answer what was accepted, release the engines, then save the sessions where they stand."""
        self._set_ready(False)
        await self.streams.stop()
        await self.lifecycle.close()
        if self.predictor.persistence is not None:
            tables = [model.sessions for model in self.registry.models if model.sessions is not None]
            await self.predictor.persistence.save(tables)
            await self._close_session_store()
        if self.tracing is not None:
            await _closed(self.tracing)
        _logger.info("stopped")

    async def _open_session_store(self) -> None:
        settings = self.settings
        store = open_store(settings.session_store, settings.max_session_store_bytes)
        is_keeping = settings.session_save_s is not None
        if store is None and is_keeping:
            raise InvalidSettings("CAROUSEL_SESSION_SAVE_S: needs a CAROUSEL_SESSION_STORE")
        is_asked_for = is_keeping or "session_store" in settings.model_fields_set
        store = await reached(store, is_asked_for=is_asked_for)
        if store is not None:
            persistence = Persistence(store, SaveMetrics(self.metrics), settings.session_save_s)
            if persistence.upkeep is not None:
                await persistence.upkeep.beat()
                persistence.upkeep.start()
            self.predictor.persistence = persistence

    async def _close_session_store(self) -> None:
        persistence, self.predictor.persistence = self.predictor.persistence, None
        if persistence is not None:
            await persistence.close()

    def _streams(self) -> Streams:
        settings = self.settings
        parts = StreamParts(
            self.predictor,
            self.admission,
            self.errors,
            self.tracing,
            self.metrics.streams,
            settings.stream_credits,
            settings.max_request_rows,
            settings.max_body_bytes,
            settings.header_timeout_s,
        )
        return Streams(parts, settings.cors_origins, lambda: self.is_ready, settings.default_timeout_s)

    def _lifecycle(self) -> Lifecycle:
        loader = Loader(self.settings, self.metrics, self._clock, self._batch_observer)
        departures = Departures(self.registry, self.acceleration)
        replacement = Replacement(self.registry, loader, self.acceleration, departures, self.metrics)
        return Lifecycle(self.settings, replacement)

    def _engine_sources(self) -> Sequence[EngineSource]:
        return engine_sources(self.settings) if self.settings.engines else ()

    @property
    def _batch_observer(self) -> BatchObserver | None:
        return None if self.tracing is None else self.tracing.batches

    def _set_ready(self, is_ready: bool) -> None:
        self.is_ready = is_ready
        self.metrics.is_ready.set(is_ready)


async def _closed(tracing: Tracing) -> None:
    """Send the last spans, or leave them behind."""
    try:
        await asyncio.wait_for(called_on_a_daemon(tracing.close), _LONGEST_FLUSH_S)
    except TimeoutError:
        _logger.warning("spans are lost: the collector did not take them", waited_s=_LONGEST_FLUSH_S)
