"""The one place where an error becomes an HTTP answer."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import orjson
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match

from service.domain.tracing import RequestTrace
from service.errors import (
    CarouselError,
    ClientGone,
    MethodNotAllowed,
    NotFound,
    Overloaded,
    TooManyConnections,
    Unauthenticated,
    UpgradeRequired,
    refusal_reasons,
)
from service.telemetry.metrics import Metrics

_logger = structlog.get_logger()
_GONE = "client_gone"
_METHOD_NOT_ALLOWED = 405
_METHODS = ("DELETE", "GET", "HEAD", "POST", "PUT")


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """Status, extra headers and body of a refusal."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class ErrorResponses:
    """Words errors as `{"error": …}`, counts them by reason, and logs what is our fault."""

    def __init__(self, metrics: Metrics) -> None:
        self._rejected = functools.cache(metrics.rejected.labels)
        for reason in (*refusal_reasons(), _GONE):
            # A series that starts at zero: a rate over one that appears with its first refusal misses it.
            self._rejected(reason)

    def answer(
        self, failure: Exception, request_id: str, path: str, trace: RequestTrace | None = None
    ) -> ErrorAnswer:
        """What the caller is told; an error we did not foresee is a 500 without its inner words."""
        reason = failure.reason if isinstance(failure, CarouselError) else CarouselError.reason
        traced = _refused(trace, reason)
        if not isinstance(failure, CarouselError):
            _logger.error("request failed", request_id=request_id, path=path, exc_info=failure, **traced)
            self._rejected(reason).inc()
            return ErrorAnswer(500, [], _body("internal error: see the server's log for this request id"))
        self._rejected(reason).inc()
        log = _logger.warning if failure.http_status >= 500 else _logger.debug
        log(
            "request refused",
            request_id=request_id,
            path=path,
            status=failure.http_status,
            reason=reason,
            error=failure.message,
            **traced,
        )
        headers = []
        if isinstance(failure, Overloaded | TooManyConnections):
            headers.append((b"retry-after", str(max(1, math.ceil(failure.retry_after_s))).encode()))
            # The standard's whole seconds are long beside what most queues take to empty.
            headers.append((b"retry-after-ms", str(math.ceil(failure.retry_after_s * 1e3)).encode()))
        if isinstance(failure, MethodNotAllowed):
            headers.append((b"allow", failure.allowed.encode()))
        if isinstance(failure, UpgradeRequired):
            headers.append((b"upgrade", b"websocket"))
        if isinstance(failure, Unauthenticated):
            headers.append((b"www-authenticate", b"Bearer"))
        return ErrorAnswer(failure.http_status, headers, _body(failure.message))

    def count_departure(self, trace: RequestTrace | None = None) -> None:
        """A client that did not wait for its answer."""
        self._rejected(_GONE).inc()
        _refused(trace, _GONE)

    async def handle_http(self, request: Request, failure: Exception) -> Response:
        """FastAPI's own refusals (unknown path, wrong method), in our form."""
        if not isinstance(failure, HTTPException):
            raise failure
        if failure.status_code == _METHOD_NOT_ALLOWED:
            return await self.handle(request, _not_allowed(request))
        self._rejected(NotFound.reason).inc()
        body = _body(str(failure.detail))
        return Response(body, failure.status_code, dict(failure.headers or {}), media_type="application/json")

    async def handle(self, request: Request, failure: Exception) -> Response:
        """The same for FastAPI's own routes."""
        if isinstance(failure, ClientGone | ClientDisconnect):
            self.count_departure()
            return Response()
        answer = self.answer(failure, request.headers.get("x-request-id", ""), request.url.path)
        headers = {name.decode(): value.decode() for name, value in answer.headers}
        return Response(answer.body, answer.status, headers, media_type="application/json")


def _not_allowed(request: Request) -> MethodNotAllowed:
    """Naming what all routes at the path take; FastAPI names what the first of them does."""
    asked = {name: request.scope.get(name) for name in ("type", "path", "root_path")}
    allowed = ", ".join(
        method
        for method in _METHODS
        if any(route.matches({**asked, "method": method})[0] is Match.FULL for route in request.app.routes)
    )
    return MethodNotAllowed(f"method: {request.method} is not possible here, use {allowed}", allowed)


def _refused(trace: RequestTrace | None, reason: str) -> dict[str, str]:
    """Tells the request's trace, and gives what its log line says of that."""
    if trace is None:
        return {}
    trace.refused(reason)
    return {"trace_id": trace.trace_id}


def _body(message: str) -> bytes:
    return orjson.dumps({"error": message})
