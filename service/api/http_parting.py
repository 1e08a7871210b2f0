"""A connection that ends without losing a request: with its last answer, or after a word of farewell."""

from __future__ import annotations

import array
import fcntl
import termios
from typing import Any, ClassVar

from service.api.http_pipeline import PacedConnection


class PartingConnection(PacedConnection):
    """What uvicorn is given; `is_ending` is set on the class, for all connections of a server at once."""

    is_ending: ClassVar[bool] = False
    __slots__ = ("_told_last",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The request whose answer is to say that it is the connection's last.
        self._told_last: Any = None

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        if self.is_ending:
            self.answer_last()

    def answer_last(self) -> None:
        """Have the answer to the newest request say `Connection: close`, so that no other follows it."""
        before, newest = self._told_last, self.cycle
        if newest is before or newest is None or not newest.keep_alive:
            return
        if before is not None and not before.response_started:
            # Its client has sent another since.
            before.keep_alive = True
        newest.keep_alive = False
        self._told_last = newest

    def part(self) -> None:
        """Tell an idle client that nothing more is answered, and listen until it has heard.

        Closed at once, a request on its way would be met by a reset: nobody could tell whether it was read.
        """
        if self.is_answering or self._is_refused or self.transport.is_closing() or self._has_unread():
            return
        if self.scheme == "https":
            self._close()
        else:
            self._is_refused = True
            self.transport.write_eof()

    def _has_unread(self) -> bool:
        """Whether the system holds bytes that the next turn of the loop will bring."""
        size = array.array("i", [0])
        fcntl.ioctl(self.transport.get_extra_info("socket").fileno(), termios.FIONREAD, size)
        return bool(size[0])
