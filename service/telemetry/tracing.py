"""Tracing as the doors and the loader know it; what is behind it is imported only where it is on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from service.domain.clock import Clock
from service.domain.tracing import BatchObserver, RequestTrace
from service.settings import Settings


class Tracing(Protocol):
    """Where it is off there is none, and a request costs no more than asking whether there is."""

    @property
    def batches(self) -> BatchObserver:
        """To be told of every batch."""
        ...

    def request(
        self, name: str, caller: Mapping[str, str], attributes: Mapping[str, str | int]
    ) -> RequestTrace | None:
        """A request that arrived now, None where it is not to be traced.

        `caller` has the W3C's `traceparent` and `tracestate` where the caller sent them; what is malformed
        counts as not sent. Where the caller decided whether to trace, that is so.
        """
        ...

    def close(self) -> None:
        """Send what is noted; blocking, for a few seconds at most. What comes later is dropped."""
        ...


def tracing_of(settings: Settings, clock: Clock) -> Tracing | None:
    """What the settings ask for; None where tracing is off."""
    if settings.tracing == "off":
        return None
    from service.telemetry.opentelemetry_tracing import OpenTelemetryTracing, span_processor

    return OpenTelemetryTracing(span_processor(settings.tracing), settings.trace_share, clock)
