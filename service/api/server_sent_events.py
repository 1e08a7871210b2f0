"""An answer told piece by piece, as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, TypeAlias

import orjson
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from service.errors import CarouselError

Ending: TypeAlias = Callable[[], dict[str, Any]]
"""What the last event says in any case, of as far as it has come."""


class ServerSentEvents(StreamingResponse):
    """One event a piece; whoever makes the pieces is told when nobody reads on."""

    media_type = "text/event-stream"

    def __init__(self, first: dict[str, Any], others: AsyncGenerator[dict[str, Any]], ending: Ending) -> None:
        self._others, self._events = others, _events(first, others, ending)
        super().__init__(self._events)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Both: closing events of which none has been told does not reach what makes them.
        async with aclosing(self._others), aclosing(self._events):
            await super().__call__(scope, receive, send)


def told_of_events(piece: dict[str, Any], last: dict[str, Any]) -> dict[str, Any]:
    """OpenAPI of such an answer, from the schemas of its events' data."""
    failed = {"error": {"type": "string"}} | last["properties"]
    error = {"type": "object", "properties": failed, "required": ["error"]}
    told = {"contentMediaType": "application/json", "contentSchema": {"anyOf": [piece, last, error]}}
    event = {"type": "object", "properties": {"data": {"type": "string", **told}}, "required": ["data"]}
    content = {ServerSentEvents.media_type: {"itemSchema": event}}
    return {"description": "server-sent events; `error` where what follows failed", "content": content}


async def told_as_events(pieces: AsyncGenerator[dict[str, Any]], ending: Ending) -> ServerSentEvents:
    """What is refused before the first piece is raised here, and so is answered with its own status."""
    try:
        first = await anext(pieces)
    except BaseException:
        await pieces.aclose()
        raise
    return ServerSentEvents(first, pieces, ending)


async def _events(
    first: dict[str, Any], others: AsyncGenerator[dict[str, Any]], ending: Ending
) -> AsyncGenerator[bytes]:
    """A failure after the first event can only be told in another."""
    try:
        yield _event(first)
        async for piece in others:
            yield _event(piece)
    except CarouselError as failure:
        yield _event({"error": failure.message} | ending())


def _event(told: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(told) + b"\n\n"
