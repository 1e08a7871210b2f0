"""A connection whose client may offer another protocol, which is not taken up, but for streams."""

from __future__ import annotations

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class PlainConnection(HttpToolsProtocol):
    """Reads a request that offers an upgrade as if it did not, which the standard allows.

    Java's client and `curl --http2` offer HTTP/2 with their first request, body and all, and the parser
    holds what follows an offer for the other protocol's.
    """

    __slots__ = ()

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            self._parse(data)
        except httptools.HttpParserError:
            self.send_400_response("")

    def _should_upgrade(self) -> bool:
        """Yes, which has uvicorn start nothing before the request is read again."""
        return True

    def _parse(self, data: bytes) -> None:
        rest: bytes | memoryview = data
        while True:
            try:
                self.parser.feed_data(rest)
            except httptools.HttpParserUpgrade as offered:
                rest = memoryview(rest)[offered.args[0] :]
                if self._is_taken_up(rest):
                    return
            else:
                return
            head = self._head_without_offer()
            # The one that saw the offer reads nothing behind a request that is its connection's last.
            self.parser = _parser(self)
            self.parser.feed_data(head)

    def _is_taken_up(self, early: memoryview) -> bool:
        """Whether the connection is somebody else's from now on; `early` came behind the offer."""
        return False

    def _head_without_offer(self) -> bytes:
        method = self.parser.get_method()
        if method == b"CONNECT":
            raise httptools.HttpParserInvalidMethodError("is a proxy's")
        version = self.parser.get_http_version().encode()
        fields = b"".join(b"%s: %s\r\n" % field for field in self.headers if field[0] != b"upgrade")
        return b"%s %s HTTP/%s\r\n%s\r\n" % (method, self.url, version, fields)


def _parser(connection: PlainConnection) -> httptools.HttpRequestParser:
    """As uvicorn makes its own."""
    parser = httptools.HttpRequestParser(connection)
    parser.set_dangerous_leniencies(lenient_data_after_close=True)
    return parser
