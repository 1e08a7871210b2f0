"""A listener's end: whoever was let in is answered, and nobody is let in to be thrown out."""

from __future__ import annotations

import errno
import socket
import sys
from contextlib import closing

import pytest

from service.api.listening_end import knock_no_more, waiting_connections

_LONG_ENOUGH_S = 0.2

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the filter is Linux's")


def knock(address) -> None:
    socket.create_connection(address, timeout=_LONG_ENOUGH_S).close()


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_who_has_knocked_is_let_in_and_nobody_after(family, host):
    listener = socket.create_server((host, 0), family=family)
    address = listener.getsockname()[:2]
    with closing(socket.create_connection(address)) as early:
        knock_no_more(listener)
        # A connection that was made before goes on: only who asks for a new one is not heard.
        early.sendall(b"hello")
        with pytest.raises(TimeoutError):
            knock(address)
        (let_in,) = waiting_connections(listener)
        with closing(let_in):
            let_in.setblocking(True)
            assert let_in.recv(5) == b"hello"
            let_in.sendall(b"answer")
            assert early.recv(6) == b"answer"
    with pytest.raises(ConnectionRefusedError):
        knock(address)


def test_where_there_are_no_such_filters_the_listener_stays_as_it_is():
    class Elsewhere(socket.socket):
        def setsockopt(self, *_):
            raise OSError(errno.ENOPROTOOPT, "Protocol not available")

    with Elsewhere() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        knock_no_more(listener)
        knock(listener.getsockname())
