"""The end of a listener without a reset: nobody new may knock, who has knocked is let in, then it closes."""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress

# Linux's <asm-generic/socket.h>, which Python's socket module leaves out.
_SO_ATTACH_FILTER = 26
_NO_SYN = b"".join(
    struct.pack("=HBBI", *instruction)
    for instruction in (
        (0x30, 0, 0, 13),  # load the byte of the TCP header that holds its flags
        (0x45, 0, 1, 0x02),  # is SYN among them?
        (0x06, 0, 0, 0),  # drop it
        (0x06, 0, 0, 0xFFFFFFFF),  # take all of it
    )
)


def knock_no_more(listener: socket.socket) -> None:
    """Have the system ignore who asks for a connection from now on; handshakes under way still end well.

    Between the last connection that is accepted and the listener's close others could be established, and
    would be reset with what they have sent. Now they find nobody: the system asks again in a second, and is
    told that the port is closed. Where there are no such filters nothing happens.
    """
    code = ctypes.create_string_buffer(_NO_SYN, len(_NO_SYN))
    program = struct.pack("@HP", len(_NO_SYN) // 8, ctypes.addressof(code))
    with suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)


def waiting_connections(listener: socket.socket) -> Iterator[socket.socket]:
    """What the listener has accepted that nobody has asked for; it is closed when all has been."""
    with listener:
        listener.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                connection, _ = listener.accept()
                connection.setblocking(False)
                yield connection
