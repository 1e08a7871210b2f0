"""Whether pages of other origins may ask; they may not unless a setting names them."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from service.api.request_ids import Identified

_SENT = (
    "Authorization",
    "Content-Encoding",
    "Content-Type",
    "Inference-Header-Content-Length",
    "Traceparent",
    "Tracestate",
    "X-API-Key",
    "X-Request-Id",
)
_READ = ("Inference-Header-Content-Length", "Retry-After", "X-Request-Id")


def with_cors(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """The application, behind CORS where there are origins; keys travel in headers, never as cookies."""
    if not origins:
        return app
    return Identified(
        CORSMiddleware(
            app,
            allow_origins=origins,
            allow_methods=["GET", "POST"],
            allow_headers=_SENT,
            expose_headers=_READ,
        )
    )
