"""The HTTP answer to a handshake: the last that is HTTP on its connection."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.types import Message
from uvicorn.protocols.http.httptools_impl import STATUS_LINE
from websockets.http11 import Response

from service.api.call import Header


def head_of(status: int, headers: Iterable[Header]) -> bytes:
    lines = b"".join(b"%s: %s\r\n" % header for header in headers)
    return STATUS_LINE[status] + lines + b"\r\n"


def accepted(answer: Response, message: Message) -> list[Header]:
    """The library's headers, but for a date, which no answer here has, and what the application adds."""
    own = [(name.encode(), value.encode()) for name, value in answer.headers.raw_items() if name != "Date"]
    headers = [*own, *message.get("headers", ())]
    if subprotocol := message.get("subprotocol"):
        headers.append((b"sec-websocket-protocol", subprotocol.encode()))
    return headers
