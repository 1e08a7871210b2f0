"""GET /v2/models/{model}/stream as a WebSocket: who is let in, and the end of all streams."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from starlette.types import Message, Receive, Scope, Send

from service.admission.roles import Role
from service.api.call import Headers, request_id
from service.api.refusal import send_refusal
from service.api.stream_conversation import Conversation
from service.api.stream_messages import Opening, opening_of_query
from service.api.stream_origin import SUBPROTOCOL, check_origin, shown_stream_key
from service.api.stream_steps import StreamCall, StreamParts
from service.errors import CarouselError, NotFound, Unavailable
from service.predictor import sessions_of

_PATH = re.compile(r"/v2/models/([^/]+)/stream")
_POLICY_VIOLATION = 1008
_LAST_WORDS_S = 2.0


class Admitted(NamedTuple):
    """A stream that may begin: of which model, who asked, and what its address says of its session."""

    call: StreamCall
    opening: Opening | None


class Streams:
    """The ASGI application for WebSockets. `longest_stop_s` bounds what running steps may hold up the end."""

    def __init__(
        self, parts: StreamParts, origins: Sequence[str], is_ready: Callable[[], bool], longest_stop_s: float
    ) -> None:
        self._parts = parts
        self._origins = origins
        self._is_ready = is_ready
        self._longest_stop_s = longest_stop_s
        self._is_stopping = False
        self._open: dict[Conversation, asyncio.Task[None] | None] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        headers = dict(scope["headers"])
        identity = request_id(headers)
        try:
            admitted = self._admitted(scope, headers, identity)
        except CarouselError as refusal:
            await self._refuse(refusal, identity, scope, send)
            return
        await self._converse(admitted, receive, send)

    async def stop(self) -> None:
        """Have every stream answer what has come and take its leave; returns when all should have."""
        self._is_stopping = True
        tasks = [task for task in self._open.values() if task is not None]
        for conversation in self._open:
            conversation.go_away()
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=self._longest_stop_s)
        if late:
            await self._stop_now(late)

    async def _stop_now(self, late: set[asyncio.Task[None]]) -> None:
        """What still runs is given up; and so is, in the end, who does not listen to that."""
        for conversation in self._open:
            conversation.go_away_now()
        _, deaf = await asyncio.wait(late, timeout=_LAST_WORDS_S)
        for task in deaf:
            task.cancel()
        await asyncio.gather(*deaf, return_exceptions=True)

    def _admitted(self, scope: Scope, headers: Headers, identity: bytes) -> Admitted:
        """Raises what is answered instead, in plain HTTP; nobody learns a model's name without a key."""
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        found = _PATH.fullmatch(path)
        check_origin(headers, self._origins)
        key = shown_stream_key(headers, scope.get("subprotocols", ()))
        admission = self._parts.admission.guarding(Role.INFER)
        if admission is not None:
            # The opening is a request like any; what follows is counted step by step.
            admission.admit(key, Role.INFER).release()
        if found is None:
            raise NotFound("path: there is no WebSocket here, it is at /v2/models/{model}/stream")
        if self._is_stopping or not self._is_ready():
            raise Unavailable("stream: the server is not ready, come back later")
        sessions_of(self._parts.predictor.registry.find(found[1]))
        opening = opening_of_query(scope.get("query_string", b""), self._parts.max_rows)
        return Admitted(StreamCall(found[1], scope, identity, key), opening)

    async def _converse(self, admitted: Admitted, receive: Receive, send: Send) -> None:
        metrics = self._parts.metrics

        async def received() -> Message:
            message = await receive()
            if message["type"] == "websocket.receive":
                metrics.messages_in.inc()
            return message

        conversation = Conversation(self._parts, admitted.call, admitted.opening, received, send)
        metrics.is_open.inc()
        self._open[conversation] = asyncio.current_task()
        code, reason = 1011, CarouselError.reason
        try:
            await send(_acceptance(admitted.call.scope, admitted.call.request_id))
            code, reason = await conversation.run()
        finally:
            del self._open[conversation]
            metrics.closed(code, reason)

    async def _refuse(self, refusal: CarouselError, identity: bytes, scope: Scope, send: Send) -> None:
        async def send_instead(message: Message) -> None:
            await send({**message, "type": f"websocket.{message['type']}"})

        if "websocket.http.response" in scope.get("extensions", {}):
            await send_refusal(self._parts.errors, refusal, identity, scope["path"], send_instead)
            return
        # Servers that know no better answer it with 403.
        self._parts.errors.answer(refusal, identity.decode(), scope["path"])
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": refusal.message})


def _acceptance(scope: Scope, identity: bytes) -> Message:
    is_named = SUBPROTOCOL in scope.get("subprotocols", ())
    return {
        "type": "websocket.accept",
        "subprotocol": SUBPROTOCOL if is_named else None,
        "headers": [(b"x-request-id", identity)],
    }
