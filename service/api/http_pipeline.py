"""A connection that is read no faster than its requests are answered, and its answers taken."""

from __future__ import annotations

import asyncio
from collections.abc import Sized

from uvicorn.protocols.http.flow_control import FlowControl

from service.api.http_connection import BoundedConnection

# The shortest request has 18 bytes and costs some kilobytes once parsed: a socket's worth would be megabytes.
_SLICE_BYTES = 8192


class PatientFlow(FlowControl):
    """Does not read on while anything that was read waits, or answers are not taken.

    uvicorn asks to read on after every answer and whenever an application looks for a body.
    """

    def __init__(self, transport: asyncio.Transport, waiting: Sized) -> None:
        super().__init__(transport)
        self._waiting = waiting
        # Read, not parsed.
        self.held = b""

    @property
    def is_behind(self) -> bool:
        """Whether requests wait for their turn, or answers for their reader."""
        return bool(self._waiting) or self.write_paused

    def resume_reading(self) -> None:
        if self.read_paused and not self.held and not self.is_behind:
            super().resume_reading()


class PacedConnection(BoundedConnection):
    """Parses requests sent ahead a slice at a time, and none while a client takes no answers.

    So what one connection may have waiting is bounded: the requests in one slice, and the bytes of one
    read. The rest stays with the client, and nothing is dropped.
    """

    flow: PatientFlow
    __slots__ = ()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = PatientFlow(transport, self.pipeline)

    def data_received(self, data: bytes) -> None:
        if len(data) <= _SLICE_BYTES and not self.pipeline and not self.flow.write_paused:
            super().data_received(data)
        else:
            self._take(self.flow.held + data)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.flow.held:
            self._go_on()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._go_on()

    def _go_on(self) -> None:
        if not self.flow.is_behind and not self.transport.is_closing():
            self._take(self.flow.held)
            self.flow.resume_reading()

    def _take(self, data: bytes) -> None:
        taken = 0
        while taken < len(data) and not self.flow.is_behind:
            super().data_received(data[taken : taken + _SLICE_BYTES])
            taken += _SLICE_BYTES
        self.flow.held = data[taken:]
        if self.flow.held:
            self.flow.pause_reading()
