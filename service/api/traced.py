"""A request's span in the words that OpenTelemetry has for HTTP."""

from __future__ import annotations

from starlette.types import Scope

from service.api.call import Headers
from service.domain.tracing import RequestTrace
from service.telemetry.tracing import Tracing

_CALLER = {b"traceparent": "traceparent", b"tracestate": "tracestate"}
REQUEST_ID = "carousel.request_id"


def http_trace(tracing: Tracing, route: str, scope: Scope) -> RequestTrace | None:
    """The trace of a request that arrived now; `route` is its path with names for what varies."""
    method = scope["method"]
    attributes = {
        "http.request.method": method,
        "http.route": route,
        "url.path": scope["path"],
        "url.scheme": scope["scheme"],
    }
    return tracing.request(f"{method} {route}", _caller(dict(scope["headers"])), attributes)


def stream_trace(tracing: Tracing, route: str, scope: Scope) -> RequestTrace | None:
    """The same of a message on a WebSocket; whoever opened that is the caller."""
    attributes = {
        "network.protocol.name": "websocket",
        "http.route": route,
        "url.path": scope["path"],
        "url.scheme": scope["scheme"],
    }
    return tracing.request(f"STEP {route}", _caller(dict(scope["headers"])), attributes)


def http_ended(trace: RequestTrace, status: int | None) -> None:
    """`status` is None where the client did not wait for one."""
    if status is not None:
        trace.note("http.response.status_code", status)
    trace.ended(is_error=status is not None and status >= 500)


def _caller(headers: Headers) -> dict[str, str]:
    return {name: headers[key].decode("latin-1") for key, name in _CALLER.items() if key in headers}
