"""How much a client has not read of what it was sent."""

from __future__ import annotations

import asyncio
import fcntl
import struct
import termios

_INT = struct.Struct("i")


def unread_bytes(transport: asyncio.WriteTransport) -> int:
    """In the transport and, on Linux, in the kernel.

    The kernel takes nothing more before much of what it has is gone: to look at the transport alone, a slow
    reader seems to read nothing for a long time.
    """
    waiting = transport.get_write_buffer_size()
    socket = transport.get_extra_info("socket")
    try:
        (in_kernel,) = _INT.unpack(fcntl.ioctl(socket.fileno(), termios.TIOCOUTQ, bytes(_INT.size)))
    except (AttributeError, OSError, ValueError):
        # No socket, or one that is closed; or a system that does not say.
        return waiting
    return waiting + int(in_kernel)
