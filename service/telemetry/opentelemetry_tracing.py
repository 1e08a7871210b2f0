"""Tracing with OpenTelemetry: which requests, and where their spans go."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from importlib.metadata import version as package_version

from opentelemetry.context import Context
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased, Sampler, TraceIdRatioBased
from opentelemetry.trace import SpanKind, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from service.domain.clock import Clock
from service.telemetry.batch_spans import BatchSpans
from service.telemetry.request_spans import RequestSpans
from service.telemetry.sparing_log import SparingLog
from service.telemetry.wall_clock import WallClock

_SCOPE = "carousel"


class OpenTelemetryTracing:
    """Makes spans of what is noted, and gives them to a processor.

    A batch belongs to no request, so it is the root of a trace of its own, kept where one of its
    requests is traced: the share decides about requests only.
    """

    def __init__(self, processor: SpanProcessor, share: float, clock: Clock) -> None:
        self._clock = clock
        self._processor = processor
        self._propagator = TraceContextTextMapPropagator()
        self._tracer = _tracer(processor, ParentBased(TraceIdRatioBased(share)))
        self.batches = BatchSpans(_tracer(processor, ALWAYS_ON), clock)

    def request(
        self, name: str, caller: Mapping[str, str], attributes: Mapping[str, str | int]
    ) -> RequestSpans | None:
        arrived = WallClock.at(self._clock.now())
        span = self._tracer.start_span(
            name,
            # Not the current context, which is that of whatever the server's own surroundings trace.
            self._propagator.extract(caller, Context()),
            SpanKind.SERVER,
            attributes,
            start_time=arrived.wall_ns,
        )
        return RequestSpans(self._tracer, span, arrived, self._clock) if span.is_recording() else None

    def close(self) -> None:
        self._processor.shutdown()


def span_processor(kind: str) -> SpanProcessor:
    """Sends spans from a thread of its own out of a bounded queue: a collector in trouble delays no request.

    `kind` is `otlp` or `console`; the OTEL_EXPORTER_OTLP_* and OTEL_BSP_* variables hold for it.
    """
    _log_sparingly()
    if kind == "console":
        return BatchSpanProcessor(ConsoleSpanExporter(out=sys.stderr, formatter=_as_line))
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return BatchSpanProcessor(OTLPSpanExporter())


def _tracer(processor: SpanProcessor, sampler: Sampler) -> Tracer:
    # The server closes what it opened, in its own order.
    provider = TracerProvider(sampler, _resource(), shutdown_on_exit=False)
    provider.add_span_processor(processor)
    return provider.get_tracer(_SCOPE, package_version("carousel-serve"))


def _resource() -> Resource:
    """Who sends: OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES go before what we know."""
    ours = {"service.name": "carousel", "service.version": package_version("carousel-serve")}
    return Resource.create(ours | dict(OTELResourceDetector().detect().attributes))


def _log_sparingly() -> None:
    logger = logging.getLogger("opentelemetry")
    logger.handlers = [SparingLog()]
    logger.propagate = False


def _as_line(span: ReadableSpan) -> str:
    return str(span.to_json(indent=None)) + "\n"
