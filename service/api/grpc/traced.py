"""A call's span in the words that OpenTelemetry has for gRPC."""

from __future__ import annotations

from typing import Any

import grpc

from service.api.grpc.messages import SERVICE
from service.api.traced import REQUEST_ID
from service.domain.tracing import RequestTrace
from service.telemetry.tracing import Tracing

_CALLER = frozenset({"traceparent", "tracestate"})
# The others are the caller's doing.
_FAULTS_OF_THE_SERVER = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)


def rpc_trace(tracing: Tracing, method: str, context: Any, request_id: str) -> RequestTrace | None:
    """The trace of a call, or of one request of a stream, that arrived now."""
    metadata = context.invocation_metadata() or ()
    caller = {name: value for name, value in metadata if name in _CALLER and isinstance(value, str)}
    attributes = {
        "rpc.system": "grpc",
        "rpc.service": SERVICE,
        "rpc.method": method,
        REQUEST_ID: request_id,
    }
    return tracing.request(f"{SERVICE}/{method}", caller, attributes)


def rpc_ended(trace: RequestTrace, code: grpc.StatusCode) -> None:
    trace.note("rpc.grpc.status_code", code.value[0])
    trace.ended(is_error=code in _FAULTS_OF_THE_SERVER)
