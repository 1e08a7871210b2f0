"""A connection that becomes a WebSocket where its client asks for a stream."""

from __future__ import annotations

import re
from typing import Any, ClassVar
from urllib.parse import unquote

from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from service.api.http_parting import PartingConnection
from service.api.stream_connection import StreamConnection
from service.api.stream_timers import StreamLimits
from service.errors import InvalidRequest

_PATH = re.compile(rb"/v2/models/[^/?]+/stream(?:\?.*)?")
_SWITCHING = 101


class UpgradingConnection(PartingConnection):
    """What uvicorn is given.

    Any other offer, and one that comes at a wrong moment, is read as if it was none.
    """

    stream_limits: ClassVar[StreamLimits]
    __slots__ = ()

    def _is_taken_up(self, early: memoryview) -> bool:
        if not self._is_stream_offer():
            return False
        answer = _handshake(self.url, self.headers)
        if answer.status_code != _SWITCHING or early:
            self._refuse(InvalidRequest(f"websocket: {_fault(answer)}"))
        else:
            self._hand_over(answer)
        return True

    def _is_stream_offer(self) -> bool:
        # A connection that is one too many may ask for the health only.
        is_free = not self.is_answering and self.app is self.config.loaded_app
        offers = [value.lower() for name, value in self.headers if name == b"upgrade"]
        is_get = self.parser.get_method() == b"GET" and self.parser.get_http_version() == "1.1"
        return is_free and is_get and offers == [b"websocket"] and bool(_PATH.fullmatch(self.url))

    def _hand_over(self, answer: Response) -> None:
        self._is_refused = True
        self._stop_header_timer()
        self._stop_write_timer()
        self._unset_keepalive_if_required()
        self.connections.discard(self)
        stream = StreamConnection(
            self.app, self._websocket_scope(), answer, self.stream_limits, self.server_state
        )
        self.transport.set_protocol(stream)
        stream.connection_made(self.transport)

    def _websocket_scope(self) -> dict[str, Any]:
        """As uvicorn would have it."""
        path, _, query = self.url.partition(b"?")
        root = self.root_path
        offered = b",".join(value for name, value in self.headers if name == b"sec-websocket-protocol")
        return {
            **self.scope,
            "type": "websocket",
            "asgi": {"version": self.asgi_version, "spec_version": "2.4"},
            "scheme": "wss" if self.scheme == "https" else "ws",
            "path": root + unquote(path.decode("latin-1")),
            "raw_path": root.encode() + path,
            "query_string": query,
            "subprotocols": [part.strip() for part in offered.decode("latin-1").split(",") if part.strip()],
            "extensions": {"websocket.http.response": {}},
        }


def _handshake(url: bytes, headers: list[tuple[bytes, bytes]]) -> Response:
    """The library's answer to an offer: its key, or what is wrong with it."""
    given = Headers([(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers])
    return ServerProtocol().accept(Request(url.decode("latin-1"), given))


def _fault(answer: Response) -> str:
    if answer.status_code == _SWITCHING:
        return "frames were sent before the connection was accepted"
    return bytes(answer.body or b"").decode().strip()
