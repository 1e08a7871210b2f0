"""One WebSocket connection under ASGI, bounded as our HTTP connections are: frames, silence, slow readers."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Scope
from uvicorn.server import ServerState
from websockets.http11 import Response

from service.api.stream_head import accepted, head_of
from service.api.stream_timers import StreamLimits, StreamTimers
from service.api.stream_wire import StreamWire

# The shortest frame has 6 bytes, and costs some hundred once parsed.
_SLICE_BYTES = 8192
# Whoever sends so many in a slice lets others have their turn before the next.
_MANY_FRAMES = 32
_NORMAL, _ABNORMAL, _RESTART = 1000, 1006, 1012
_logger = structlog.get_logger()


class StreamConnection(asyncio.Protocol):
    """Reads until it holds what it may not look at yet: the application has not taken the message before it,
    or the client does not read its answers.

    So what waits here is bounded: the frames of one slice, and the bytes of two reads. Who sends a message
    and waits for the answer is never stopped, which would cost him two calls of the kernel each time.
    """

    def __init__(
        self, app: ASGIApp, scope: Scope, answer: Response, limits: StreamLimits, state: ServerState
    ) -> None:
        self._app, self._scope, self._answer = app, scope, answer
        self._wire = StreamWire(limits.message_bytes)
        self._limits, self._state = limits, state
        self._messages: deque[Message] = deque([{"type": "websocket.connect"}])
        self._has_come = asyncio.Event()
        self._has_come.set()
        self._is_writable = asyncio.Event()
        self._is_writable.set()
        self._is_reading, self._is_accepted, self._is_lost = True, False, False
        self._is_served, self._is_lingering = False, False
        # Read, not parsed.
        self._held = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        self._timers = StreamTimers(transport, self._limits.ping_s, self._limits.write_timeout_s, self._ping)
        connections: Any = self._state.connections
        connections.add(self)
        task = asyncio.get_running_loop().create_task(self._run())
        self._state.tasks.add(task)
        task.add_done_callback(self._state.tasks.discard)

    def connection_lost(self, exc: Exception | None) -> None:
        connections: Any = self._state.connections
        connections.discard(self)
        self._is_lost = True
        self._timers.stop()
        self._is_writable.set()
        self._has_come.set()

    def data_received(self, data: bytes) -> None:
        self._timers.note_sign_of_life()
        if self._is_lingering:
            self._timers.await_quiet()
        else:
            self._take(self._held + data)

    def eof_received(self) -> None:
        self._wire.take_end()

    def pause_writing(self) -> None:
        self._is_writable.clear()
        self._timers.await_reader()
        self._read_if_wanted()

    def resume_writing(self) -> None:
        self._is_writable.set()
        self._timers.reader_is_back()
        self._go_on()

    def shutdown(self) -> None:
        """The server's last word, where the application has said no farewell."""
        if self._is_accepted:
            self._say_farewell(_RESTART, "")
        else:
            self._transport.close()

    async def receive(self) -> Message:
        """Behind the last message, as often as it is asked: how the connection ended."""
        while not self._messages and not self._has_ended:
            self._has_come.clear()
            await self._has_come.wait()
        if not self._messages:
            code = _ABNORMAL if self._wire.end is None else self._wire.end
            return {"type": "websocket.disconnect", "code": code, "reason": self._timers.fault}
        message = self._messages.popleft()
        self._go_on()
        return message

    async def send(self, message: Message) -> None:
        """Waits while the client's buffer is full; raises ConnectionResetError where it is gone."""
        await self._is_writable.wait()
        if self._transport.is_closing():
            raise ConnectionResetError(self._timers.fault)
        kind = message["type"]
        if kind == "websocket.send":
            self._wire.say(message)
            self._flush()
        elif kind == "websocket.close":
            self._say_farewell(message.get("code", _NORMAL), message.get("reason") or "")
        elif kind == "websocket.accept":
            self._accept(message)
        elif kind == "websocket.http.response.start":
            headers = [*message["headers"], (b"connection", b"close")]
            self._transport.write(head_of(message["status"], headers))
        else:
            self._transport.write(message["body"])
            self._part()

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self.receive, self.send)
        except ConnectionResetError:
            pass
        except Exception:
            _logger.exception("stream failed")
        finally:
            self._is_served = True
            if self._wire.is_over:
                self._end()
            elif not self._wire.is_parting and not self._transport.is_closing():
                # Whoever left without a word; a farewell has its own time.
                self._transport.abort()

    def _accept(self, message: Message) -> None:
        self._transport.write(head_of(self._answer.status_code, accepted(self._answer, message)))
        self._is_accepted = True
        self._timers.begin_pings()

    def _say_farewell(self, code: int, reason: str) -> None:
        if not self._wire.is_parting:
            self._wire.say_farewell(code, reason)
            self._has_come.set()
            self._flush()
            self._timers.await_farewell()
        # The client's own comes behind what it has sent before.
        self._go_on()

    def _ping(self) -> None:
        self._wire.ping()
        self._flush()

    def _flush(self) -> None:
        if content := self._wire.due():
            self._transport.write(content)

    def _part(self) -> None:
        self._transport.close()
        self._timers.await_farewell()

    def _end(self) -> None:
        """What there is to say, and the end; the client's farewell is answered when his session is let go.

        Who is at fault is told at once, and not cut off: what he goes on sending would keep him from reading
        why.
        """
        if self._wire.is_at_fault:
            self._linger()
        elif self._is_served:
            self._flush()
            self._part()
        else:
            self._timers.await_farewell()

    def _linger(self) -> None:
        """Read what comes, and forget it, until nothing more does or the client's time is over.

        Closed with something unread, a connection is reset, and the client may never see what it was told.
        """
        if self._is_lingering or self._transport.is_closing():
            return
        self._is_lingering, self._held = True, b""
        self._flush()
        self._timers.await_quiet()
        self._timers.await_farewell()
        self._read_if_wanted()

    @property
    def _has_ended(self) -> bool:
        return self._is_lost or self._wire.end is not None

    @property
    def _is_wanted(self) -> bool:
        """Whether a frame may be looked at; behind a farewell only the client's own is waited for."""
        is_taken = not self._messages or self._wire.end is not None
        return (
            not self._is_lingering
            and is_taken
            and self._is_writable.is_set()
            and not self._transport.is_closing()
        )

    def _go_on(self) -> None:
        self._take(self._held)

    def _take(self, data: bytes) -> None:
        taken, frames = 0, 0
        while taken < len(data) and self._is_wanted and frames < _MANY_FRAMES:
            frames = self._parse(data[taken : taken + _SLICE_BYTES])
            taken += _SLICE_BYTES
        self._held = b"" if self._is_lingering else data[taken:]
        if self._held and self._is_wanted:
            asyncio.get_running_loop().call_soon(self._go_on)
        self._read_if_wanted()

    def _parse(self, data: bytes) -> int:
        """How many frames there were."""
        self._messages.extend(self._wire.take(data))
        if self._messages or self._has_ended:
            self._has_come.set()
        if self._wire.is_over:
            self._end()
        else:
            self._flush()
        return self._wire.last_frames

    def _read_if_wanted(self) -> None:
        is_wanted = self._is_lingering or (self._is_writable.is_set() and not self._held)
        if self._transport.is_closing() or self._is_reading == is_wanted:
            return
        self._is_reading = is_wanted
        self._timers.listen(is_listening=is_wanted)
        if is_wanted:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()
