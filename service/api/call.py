"""One HTTP request to a hot door: its bytes, read once, with a limit and a deadline."""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from starlette.types import Receive

from service.domain.tracing import RequestTrace
from service.errors import BodyTooLarge, ClientGone, DeadlineExceeded, InvalidRequest, UnsupportedMediaType

Headers: TypeAlias = dict[bytes, bytes]
Header: TypeAlias = tuple[bytes, bytes]


# Random once per process, counted within it: unique, and no system call per request.
_PROCESS = secrets.token_hex(6).encode()
_numbers = itertools.count()


class Call(NamedTuple):
    """What a door needs of a request: who is asked, with what, and whether anyone still listens."""

    model: str
    version: str | None
    headers: Headers
    body: bytes
    is_abandoned: Callable[[], bool]
    trace: RequestTrace | None = None


_JSON: Header = (b"content-type", b"application/json")


class Reply(NamedTuple):
    """What a door answers: the bytes, what they are, and headers that belong to them."""

    body: bytes
    content_type: Header = _JSON
    headers: tuple[Header, ...] = ()


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """The largest body, and how long a client may take to send it."""

    max_bytes: int
    timeout_s: float


async def read_body(headers: Headers, receive: Receive, limits: BodyLimits) -> bytes:
    """The whole body; raises BodyTooLarge before reading what is announced as too large."""
    check_announced(headers, limits.max_bytes)
    message = _received_at_once(receive)
    # Most bodies are there already and need no timer.
    if message is not None and message["type"] == "http.request" and not message.get("more_body"):
        body: bytes = message.get("body", b"")
        _check_size(len(body), limits.max_bytes)
        return body
    try:
        async with asyncio.timeout(limits.timeout_s):
            return await _read_rest(message or await receive(), receive, limits.max_bytes)
    except TimeoutError:
        raise DeadlineExceeded(f"body: not received within {limits.timeout_s:g} s") from None


def request_id(headers: Headers) -> bytes:
    """The client's own X-Request-Id where it is sane, else a new one."""
    given = headers.get(b"x-request-id", b"")
    if given and len(given) <= 128 and given.isascii() and given.decode("ascii").isprintable():
        return given
    return b"%s-%x" % (_PROCESS, next(_numbers))


def check_media_type(headers: Headers, accepted: tuple[bytes, ...]) -> None:
    """Raises UnsupportedMediaType where a content type is named and is not one of `accepted`."""
    given = headers.get(b"content-type")
    if given is None:
        return
    media_type = given.split(b";", 1)[0].strip().lower()
    if media_type not in accepted:
        names = " or ".join(name.decode() for name in accepted)
        raise UnsupportedMediaType(f"content-type: got {media_type.decode('latin-1')}, send {names}")


def departure_check(receive: Receive) -> Callable[[], bool]:
    """A question, asked without waiting: has the client closed its connection?

    After the body, `receive` ends at once only where the client is gone.
    """

    def is_gone() -> bool:
        message = _received_at_once(receive)
        return message is not None and bool(message["type"] == "http.disconnect")

    return is_gone


def _received_at_once(receive: Receive) -> Any:
    """What `receive` has now, or None where it would wait: the unfinished call is dropped again."""
    pending: Any = receive()
    try:
        pending.send(None)
    except StopIteration as ended:
        return ended.value
    except RuntimeError:
        # The server's own trouble with a connection that is going away; the answer will tell.
        return None
    pending.close()
    return None


async def _read_rest(message: Any, receive: Receive, max_bytes: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        if message["type"] != "http.request":
            raise ClientGone
        chunk = message.get("body", b"")
        size += len(chunk)
        _check_size(size, max_bytes)
        chunks.append(chunk)
        if not message.get("more_body"):
            return b"".join(chunks)
        message = await receive()


def check_announced(headers: Headers, max_bytes: int) -> None:
    """Raises BodyTooLarge before anything was read."""
    announced = headers.get(b"content-length")
    if announced is None:
        return
    if not announced.isdigit():
        raise InvalidRequest("content-length: is not a number")
    _check_size(int(announced), max_bytes)


def _check_size(size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise BodyTooLarge(f"body: {size} bytes or more, at most {max_bytes} are allowed")
