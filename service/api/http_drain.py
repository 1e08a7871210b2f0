"""The end of the HTTP listeners: what a client has sent before it could know is still answered."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from service.api.http_parting import PartingConnection
from service.api.listening_end import knock_no_more, waiting_connections

# A client's next request is on its way while it reads its answer; one that thinks for longer is idle.
_QUIET_S = 0.02
_MOST_LOOKS = 25
_HANDSHAKE_S = 0.5
# How often idle clients are given as long again to close their side.
_PARTING_LOOKS = 5


class HttpDrain:
    """`begin` with the signal, on the loop; then `stop`, before uvicorn's own shutdown."""

    def __init__(self, config: uvicorn.Config, state: ServerState) -> None:
        self._config = config
        self._state = state

    def begin(self) -> None:
        """Have every answer be its connection's last; connections are still accepted."""
        self._kind.is_ending = True
        for connection in self._connections():
            if connection.is_answering:
                connection.answer_last()

    async def stop(self, listeners: Iterable[asyncio.Server], app_state: dict[str, Any]) -> None:
        """Accept nothing more but what waits to be, answer what still comes, let go of the idle.

        Takes 0.04 s where nobody speaks, 0.6 s at most. Who is being answered is left to be.
        """
        self.begin()
        await self._close(list(listeners), app_state)
        await self._quiet()
        for connection in self._connections():
            connection.part()
        await self._parted()

    @property
    def _kind(self) -> type[PartingConnection]:
        kind: Any = self._config.http_protocol_class
        return kind  # type: ignore[no-any-return]

    def _connections(self) -> list[PartingConnection]:
        connections: Any = self._state.connections
        # Streams among them have a farewell of their own.
        return [each for each in connections if isinstance(each, PartingConnection)]

    async def _close(self, listeners: list[asyncio.Server], app_state: dict[str, Any]) -> None:
        """The system has accepted more than the loop has; closing a listener would reset those."""
        kept = [
            socket.socket(fileno=socket.dup(each.fileno()))
            for listener in listeners
            for each in listener.sockets
        ]
        for each in kept:
            knock_no_more(each)
        # As long as a handshake under way may take.
        await asyncio.sleep(_QUIET_S)
        for listener in listeners:
            listener.close()
        accepted = [connection for each in kept for connection in waiting_connections(each)]
        await asyncio.gather(*(self._take_up(connection, app_state) for connection in accepted))

    async def _take_up(self, connection: socket.socket, app_state: dict[str, Any]) -> None:
        def made() -> asyncio.Protocol:
            return self._kind(config=self._config, server_state=self._state, app_state=app_state)

        # One that is gone again, or does not manage a handshake, is nobody's loss.
        with suppress(OSError):
            tls = self._config.ssl
            await asyncio.get_running_loop().connect_accepted_socket(
                made, connection, ssl=tls, ssl_handshake_timeout=None if tls is None else _HANDSHAKE_S
            )

    async def _quiet(self) -> None:
        """Wait until no more requests and connections come; not for ever, since some clients never cease."""
        for _ in range(_MOST_LOOKS):
            before = self._state.total_requests, len(self._state.connections)
            await asyncio.sleep(_QUIET_S)
            if before == (self._state.total_requests, len(self._state.connections)):
                return

    async def _parted(self) -> None:
        for _ in range(_PARTING_LOOKS):
            if all(connection.is_answering for connection in self._connections()):
                return
            await asyncio.sleep(_QUIET_S)
