"""The hot path: requests to predict go straight to their door, everything else to FastAPI."""

from __future__ import annotations

import functools
import re
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeAlias

from starlette.types import ASGIApp, Receive, Scope, Send

from service.admission.admission import Admission
from service.admission.credentials import shown_key
from service.admission.roles import Role
from service.api.call import BodyLimits, Call, Headers, Reply, departure_check, read_body, request_id
from service.api.encoding import acceptable, deflated, inflated, is_worth_encoding
from service.api.error_responses import ErrorResponses
from service.api.refusal import send_refusal
from service.api.traced import REQUEST_ID, http_ended, http_trace
from service.domain.tracing import RequestTrace
from service.errors import CarouselError, ClientGone, MethodNotAllowed
from service.telemetry.tracing import Tracing

Door: TypeAlias = Callable[[Call], Awaitable[Reply]]
"""From a request's bytes to the answer's; raises CarouselError."""

_VERSION = r"(?:/versions/([^/]+))?"


class HotRoute:
    """A path pattern with a model and maybe a version in it, and the door behind it."""

    def __init__(self, prefix: str, suffix: str, door: Door) -> None:
        self.pattern = re.compile(rf"{prefix}/([^/]+){_VERSION}{suffix}")
        self.door = door
        self._prefix, self._suffix = prefix, suffix

    def template(self, has_version: bool) -> str:
        """The path with names for what varies."""
        version = "/versions/{version}" if has_version else ""
        return f"{self._prefix}/{{model}}{version}{self._suffix}"


class Found(NamedTuple):
    """What a hot path names: the door behind it, the model, maybe a version; and its template."""

    door: Door
    model: str
    version: str | None
    template: str


class Front:
    """An ASGI application around another, for POSTs to hot routes.

    Routing, validation and response objects cost a framework several times what a small batch costs
    to compute; this way does without.
    """

    def __init__(
        self,
        app: ASGIApp,
        routes: list[HotRoute],
        limits: BodyLimits,
        errors: ErrorResponses,
        tracing: Tracing | None = None,
        admission: Admission | None = None,
    ) -> None:
        self._app = app
        self._routes = routes
        self._limits = limits
        self._errors = errors
        self._tracing = tracing
        self._admission = admission
        # The same few paths come again and again; a bounded memory, since anybody may ask for anything.
        self._find = functools.lru_cache(maxsize=1024)(self._route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            found = self._find(scope["path"])
            if found is not None:
                if self._admission is None:
                    await self._let_in(found, scope, receive, send)
                else:
                    await self._admitted(self._admission, found, scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _admitted(
        self, admission: Admission, found: Found, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Before the body is read: who may not ask costs the server nothing but a header."""
        headers = dict(scope["headers"])
        try:
            place = admission.admit(shown_key(headers), Role.INFER)
        except CarouselError as refusal:
            await send_refusal(self._errors, refusal, request_id(headers), scope["path"], send)
            return
        try:
            await self._let_in(found, scope, receive, send)
        finally:
            place.release()

    async def _let_in(self, found: Found, scope: Scope, receive: Receive, send: Send) -> None:
        if self._tracing is None:
            await self._answer(found, scope, receive, send)
        else:
            trace = http_trace(self._tracing, found.template, scope)
            await self._traced(trace, found, scope, receive, send)

    def _route(self, path: str) -> Found | None:
        for route in self._routes:
            if match := route.pattern.fullmatch(path):
                model, version = match.groups()
                return Found(route.door, model, version, route.template(version is not None))
        return None

    async def _traced(
        self, trace: RequestTrace | None, found: Found, scope: Scope, receive: Receive, send: Send
    ) -> None:
        status = None
        try:
            status = await self._answer(found, scope, receive, send, trace)
        finally:
            if trace is not None:
                http_ended(trace, status)

    async def _answer(
        self, found: Found, scope: Scope, receive: Receive, send: Send, trace: RequestTrace | None = None
    ) -> int | None:
        """The status of the answer, None where nobody waited for it."""
        headers = dict(scope["headers"])
        identity = request_id(headers)
        if trace is not None:
            trace.note(REQUEST_ID, identity.decode())
        status = 200
        try:
            _check_method(scope["method"])
            # The body has no name here: it is the door's alone, which lets go of it.
            reply = await found.door(
                Call(
                    found.model,
                    found.version,
                    headers,
                    await self._body(headers, receive),
                    departure_check(receive),
                    trace,
                )
            )
            if b"accept-encoding" in headers:
                reply = await _encoded(reply, headers[b"accept-encoding"])
        except ClientGone:
            self._errors.count_departure(trace)
            return None
        except Exception as failure:  # noqa: BLE001 - the last resort: every request is answered
            refusal = self._errors.answer(failure, identity.decode(), scope["path"], trace)
            status, reply = refusal.status, Reply(refusal.body, headers=tuple(refusal.headers))
        length = (b"content-length", str(len(reply.body)).encode())
        start_headers = [reply.content_type, length, (b"x-request-id", identity), *reply.headers]
        await send({"type": "http.response.start", "status": status, "headers": start_headers})
        await send({"type": "http.response.body", "body": reply.body})
        return status

    async def _body(self, headers: Headers, receive: Receive) -> bytes:
        body = await read_body(headers, receive, self._limits)
        if b"content-encoding" in headers:
            return await inflated(body, headers[b"content-encoding"], self._limits.max_bytes)
        return body


async def _encoded(reply: Reply, accept_encoding: bytes) -> Reply:
    """Packed where the client unpacks it and it is large enough to be worth it."""
    encoding = acceptable(accept_encoding)
    if encoding is None or not is_worth_encoding(reply.body):
        return reply
    packed = await deflated(reply.body, encoding)
    return Reply(packed, reply.content_type, (*reply.headers, (b"content-encoding", encoding)))


def _check_method(method: str) -> None:
    if method != "POST":
        raise MethodNotAllowed(f"method: {method} is not possible here, use POST", allowed="POST")
