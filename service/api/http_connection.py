"""One HTTP connection, with the bounds that uvicorn's own lacks: header, silence, number."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from service.api.call import request_id
from service.api.health_only import HealthOnly
from service.api.http_writes import TimedWrites
from service.errors import CarouselError, HeaderTimeout, HeaderTooLarge, InvalidRequest, TooManyConnections
from service.settings import Settings

# Connections past the limit that may still ask for the health, and how quickly they must.
_HEALTH_RESERVE = 16
_HEALTH_HEADER_S = 2.0
# A refused client that is still sending would lose the answer if its connection were reset at once.
_LINGER_S = 1.0
# ": " and the line's end.
_FIELD_OVERHEAD = 4


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What one connection may cost, and how many there may be."""

    header_bytes: int
    headers: int
    header_timeout_s: float
    connections: int


def connection_limits(settings: Settings) -> ConnectionLimits:
    return ConnectionLimits(
        settings.max_header_bytes,
        settings.max_headers,
        settings.header_timeout_s,
        settings.max_connections,
    )


class BoundedConnection(TimedWrites):
    """A subclass with `limits` and `errors` is what uvicorn is given.

    What every request passes through here costs it one comparison or two: timers run only while a client
    is late, and headers are counted only where they could be too many.
    """

    limits: ClassVar[ConnectionLimits]
    __slots__ = ("_header_timer", "_refusal", "_unread")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Bytes since the last that were part of a body or ended a header.
        self._unread = 0
        self._refusal: CarouselError | None = None
        self._header_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        surplus = len(self.connections) - self.limits.connections
        if surplus > _HEALTH_RESERVE:
            self._refuse(_crowded(), linger_s=0.0)
            return
        header_timeout_s = self.limits.header_timeout_s
        if surplus > 0:
            self.app = HealthOnly(self.app, self.errors, _crowded)
            header_timeout_s = min(header_timeout_s, _HEALTH_HEADER_S)
        self._header_timer = self.loop.call_later(header_timeout_s, self._header_overdue)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_header_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        self._unread += len(data)
        super().data_received(data)
        if self._unread > self.limits.header_bytes:
            self._refuse(self._too_large())
        elif (
            self._header_timer is None
            and (self.cycle is None or self.cycle.response_complete)
            and not self._is_refused
        ):
            self._header_timer = self.loop.call_later(self.limits.header_timeout_s, self._header_overdue)

    def on_headers_complete(self) -> None:
        if self._header_timer is not None:
            self._stop_header_timer()
        if self._unread > self.limits.header_bytes or len(self.headers) > self.limits.headers:
            self._check_header()
        self._unread = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unread = 0
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        """What the parser cannot go on with; one of our own refusals made it stop, or it is no HTTP."""
        self._refuse(self._refusal or InvalidRequest("request: is not HTTP/1.1 as this server reads it"))

    @property
    def is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def _is_in_header(self) -> bool:
        return self.scope is not None and "path" not in self.scope

    def _check_header(self) -> None:
        """Exact, where the quick count cannot tell the header from the body that came with it."""
        size = len(self.url) + sum(len(name) + len(value) + _FIELD_OVERHEAD for name, value in self.headers)
        if size > self.limits.header_bytes:
            self._refusal = self._too_large()
        elif len(self.headers) > self.limits.headers:
            self._refusal = HeaderTooLarge(
                f"header: {len(self.headers)} fields, at most {self.limits.headers} are allowed"
            )
        if self._refusal is not None:
            raise self._refusal

    def _too_large(self) -> CarouselError:
        return HeaderTooLarge(f"header: more than {self.limits.header_bytes} bytes, send fewer")

    def _header_overdue(self) -> None:
        self._header_timer = None
        if self.is_answering or self.transport.is_closing():
            return
        if self._is_in_header:
            self._refuse(HeaderTimeout(f"header: not received within {self.limits.header_timeout_s:g} s"))
        else:
            self._close()

    def _refuse(self, failure: CarouselError, linger_s: float = _LINGER_S) -> None:
        """Answer and close; after the answers that are due, which a refusal must not be taken for."""
        if self._is_refused:
            return
        self._is_refused = True
        if self._is_answer_due():
            return
        self.transport.write(self._worded(failure))
        if linger_s and self.transport.can_write_eof():
            self.transport.write_eof()
            self._stop_header_timer()
            self._header_timer = self.loop.call_later(linger_s, self.transport.abort)
        else:
            self._close()

    def _is_answer_due(self) -> bool:
        """Whether requests before the refused one are to be answered first."""
        if not self.is_answering:
            return False
        if not self.cycle.more_body:
            return True
        # Its body will never be whole: whoever reads it is told that nobody is there.
        self.cycle.disconnected = True
        self.cycle.message_event.set()
        if self.pipeline:
            self.pipeline.popleft()
            return True
        return False

    def _worded(self, failure: CarouselError) -> bytes:
        identity = request_id({})
        answer = self.errors.answer(failure, identity.decode(), "")
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(answer.body)).encode()),
            (b"connection", b"close"),
            (b"x-request-id", identity),
            *answer.headers,
        ]
        lines = b"".join(b"%s: %s\r\n" % header for header in headers)
        return STATUS_LINE[answer.status] + lines + b"\r\n" + answer.body

    def _stop_header_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None


def _crowded() -> CarouselError:
    return TooManyConnections("connections: as many are open as may be, come back later")
