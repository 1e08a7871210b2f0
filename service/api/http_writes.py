"""A connection whose client must read what it asked for."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from service.api.error_responses import ErrorResponses
from service.api.http_answers import WholeAnswers
from service.api.unread import unread_bytes

_PARTING_S = 1.0


class TimedWrites(WholeAnswers):
    """Ends a connection to which nothing could be written for `write_timeout_s`.

    The timer runs only while a client is behind: where its buffer is full, or where a closing connection
    still has something to hand over, which would otherwise wait for ever.
    """

    write_timeout_s: ClassVar[float]
    errors: ClassVar[ErrorResponses]
    # Not for their size: uvicorn's attributes stay few enough for the interpreter's fast way to them.
    __slots__ = ("_is_refused", "_unread", "_write_timer")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._unread = 0
        self._write_timer: asyncio.TimerHandle | None = None
        self._is_refused = False

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_write_timer()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._await_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.transport.is_closing():
            self._stop_write_timer()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._is_refused or self.timeout_keep_alive_task is None:
            self._end_if_last()

    def timeout_keep_alive_handler(self) -> None:
        self._close()

    def shutdown(self) -> None:
        super().shutdown()
        if self.transport.is_closing():
            self._part()

    def _end_if_last(self) -> None:
        if self.transport.is_closing():
            self._await_reader()
        elif self._is_refused and self.timeout_keep_alive_task is not None:
            self._close()

    def _close(self) -> None:
        """Once all is written that can be."""
        self.transport.close()
        self._part()

    def _part(self) -> None:
        self._await_reader()
        # TLS waits half a minute for a client's goodbye, and an idle client gives it with its next request.
        if self.scheme == "https" and self._write_timer is None:
            self._write_timer = self.loop.call_later(_PARTING_S, self.transport.abort)

    def _await_reader(self) -> None:
        self._unread = unread_bytes(self.transport)
        if self.transport.get_write_buffer_size() and self._write_timer is None:
            self._write_timer = self.loop.call_later(self.write_timeout_s, self._write_overdue)

    def _write_overdue(self) -> None:
        self._write_timer = None
        if unread_bytes(self.transport) < self._unread:
            self._await_reader()
        else:
            self.errors.count_departure()
            self.transport.abort()

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
