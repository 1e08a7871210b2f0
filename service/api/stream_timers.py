"""What a WebSocket waits for, and for how long: signs of life, a reader, a farewell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from service.api.unread import unread_bytes

SILENT = "silent"
UNREAD = "unread"
# What a client has to answer a farewell with its own.
_FAREWELL_S = 5.0
# Nothing more is on its way after so long.
_QUIET_S = 0.2


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """What one WebSocket may cost."""

    message_bytes: int
    ping_s: float
    write_timeout_s: float


class StreamTimers:
    """Cut the connection where it takes too long; `fault` says then why."""

    def __init__(
        self, transport: asyncio.Transport, ping_s: float, write_timeout_s: float, ping: Callable[[], None]
    ) -> None:
        self.fault = ""
        self._is_listening = True
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._ping_s, self._ping = ping_s, ping
        self._write_timeout_s = write_timeout_s
        self._is_silent = False
        self._unread = 0
        self._next_ping: asyncio.TimerHandle | None = None
        self._write_limit: asyncio.TimerHandle | None = None
        self._farewell: asyncio.TimerHandle | None = None
        self._quiet: asyncio.TimerHandle | None = None

    def begin_pings(self) -> None:
        self._next_ping = self._loop.call_later(self._ping_s, self._ping_or_cut)

    def note_sign_of_life(self) -> None:
        self._is_silent = False

    def listen(self, *, is_listening: bool) -> None:
        """Who is not listened to cannot be heard."""
        self._is_listening, self._is_silent = is_listening, False

    def await_reader(self) -> None:
        """The client's buffer is full."""
        self._unread = unread_bytes(self._transport)
        self._write_limit = self._loop.call_later(self._write_timeout_s, self._go_on_or_cut)

    def reader_is_back(self) -> None:
        if self._write_limit is not None:
            self._write_limit.cancel()

    def await_farewell(self) -> None:
        if self._farewell is None:
            self._farewell = self._loop.call_later(_FAREWELL_S, self._transport.abort)

    def await_quiet(self) -> None:
        """Once more, where something has come."""
        if self._quiet is not None:
            self._quiet.cancel()
        self._quiet = self._loop.call_later(_QUIET_S, self._transport.close)

    def stop(self) -> None:
        for timer in (self._next_ping, self._write_limit, self._farewell, self._quiet):
            if timer is not None:
                timer.cancel()

    def _ping_or_cut(self) -> None:
        if self._is_silent and self._is_listening:
            self._cut(SILENT)
            return
        self._is_silent = True
        self._ping()
        self.begin_pings()

    def _go_on_or_cut(self) -> None:
        if unread_bytes(self._transport) < self._unread:
            self.await_reader()
        else:
            self._cut(UNREAD)

    def _cut(self, fault: str) -> None:
        self.fault = fault
        self._transport.abort()
