"""Tracing into memory, and the spans it made."""

from __future__ import annotations

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from service.domain.clock import Clock, LoopClock
from service.telemetry.opentelemetry_tracing import OpenTelemetryTracing


class RecordedSpans:
    """`tracing` is for a server; what it made is asked for by name."""

    def __init__(self, share: float = 1.0, clock: Clock | None = None) -> None:
        self._exporter = InMemorySpanExporter()
        self.tracing = OpenTelemetryTracing(SimpleSpanProcessor(self._exporter), share, clock or LoopClock())

    def all(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        """In the order they began."""
        return sorted((span for span in self.all() if span.name == name), key=lambda span: span.start_time)

    def the(self, name: str) -> ReadableSpan:
        (span,) = self.named(name)
        return span

    def below(self, parent: ReadableSpan, name: str) -> list[ReadableSpan]:
        """The children of that name, in the order they began."""
        return [span for span in self.named(name) if is_child(span, parent)]


def is_child(span: ReadableSpan, parent: ReadableSpan) -> bool:
    return span.parent is not None and span.parent.span_id == parent.context.span_id


def trace_id(span: ReadableSpan) -> str:
    return f"{span.context.trace_id:032x}"


TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT_ID = "00f067aa0ba902b7"


def traceparent(is_sampled: bool = True) -> str:
    """What a caller sends that traces, or does not."""
    return f"00-{TRACE_ID}-{PARENT_ID}-{int(is_sampled):02x}"


MALFORMED = [
    "",
    "nonsense",
    f"00-{TRACE_ID}-{PARENT_ID}",
    f"ff-{TRACE_ID}-{PARENT_ID}-01",
    f"00-{'0' * 32}-{PARENT_ID}-01",
]
