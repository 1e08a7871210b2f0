"""The hot path: requests to predict go straight to their door, everything else to FastAPI."""

from __future__ import annotations

import functools
import re
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.call import BodyLimits, Call, Headers, Reply, departure_check, read_body, request_id
from service.api.encoding import acceptable, deflated, inflated, is_worth_encoding
from service.api.error_responses import ErrorResponses
from service.errors import ClientGone, MethodNotAllowed

Door: TypeAlias = Callable[[Call], Awaitable[Reply]]
"""From a request's bytes to the answer's; raises CarouselError."""

_VERSION = r"(?:/versions/([^/]+))?"


class HotRoute:
    """A path pattern with a model and maybe a version in it, and the door behind it."""

    def __init__(self, prefix: str, suffix: str, door: Door) -> None:
        self.pattern = re.compile(rf"{prefix}/([^/]+){_VERSION}{suffix}")
        self.door = door


class Front:
    """An ASGI application around another, for POSTs to hot routes.

    Routing, validation and response objects cost a framework several times what a small batch costs
    to compute; this way does without.
    """

    def __init__(
        self, app: ASGIApp, routes: list[HotRoute], limits: BodyLimits, errors: ErrorResponses
    ) -> None:
        self._app = app
        self._routes = routes
        self._limits = limits
        self._errors = errors
        # The same few paths come again and again; a bounded memory, since anybody may ask for anything.
        self._find = functools.lru_cache(maxsize=1024)(self._route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            found = self._find(scope["path"])
            if found is not None:
                await self._answer(*found, scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _route(self, path: str) -> tuple[Door, str, str | None] | None:
        """The door of a hot path, with the model and the version it names."""
        for route in self._routes:
            if match := route.pattern.fullmatch(path):
                model, version = match.groups()
                return route.door, model, version
        return None

    async def _answer(
        self, door: Door, model: str, version: str | None, scope: Scope, receive: Receive, send: Send
    ) -> None:
        headers = dict(scope["headers"])
        identity = request_id(headers)
        status = 200
        try:
            _check_method(scope["method"])
            # The body has no name here: it is the door's alone, which lets go of it.
            reply = await door(
                Call(model, version, headers, await self._body(headers, receive), departure_check(receive))
            )
            if b"accept-encoding" in headers:
                reply = await _encoded(reply, headers[b"accept-encoding"])
        except ClientGone:
            self._errors.count_departure()
            return
        except Exception as failure:  # noqa: BLE001 - the last resort: every request is answered
            refusal = self._errors.answer(failure, identity.decode(), scope["path"])
            status, reply = refusal.status, Reply(refusal.body, headers=tuple(refusal.headers))
        length = (b"content-length", str(len(reply.body)).encode())
        start_headers = [reply.content_type, length, (b"x-request-id", identity), *reply.headers]
        await send({"type": "http.response.start", "status": status, "headers": start_headers})
        await send({"type": "http.response.body", "body": reply.body})

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
