"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
import uuid
from contextlib import suppress
from pathlib import Path

TEMPORARY = ".writing"


def write_atomically(path: Path, content: bytes, mode: int = 0o666, *, lasting: bool = True) -> None:
    """Write beside `path`, force it to the disk, rename; raises OSError, and then leaves nothing behind.

    The file gets `mode` less what the process's umask takes away. One that is not `lasting` is not forced to
    the disk: after a power cut it may be the old one, or empty.
    """
    # Not tempfile: its files are private, and who builds need not be who serves.
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}{TEMPORARY}")
    try:
        temporary.touch(mode, exist_ok=False)
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            if lasting:
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        remove(temporary)
        raise
    if lasting:
        _force_names(path.parent)


def read_regular(path: Path, most_bytes: int) -> bytes:
    """The content of a file of at most `most_bytes`, or one byte more; raises OSError for anything else.

    Links are not followed: a cache is written by renames, so a link is somebody else's.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as failure:
        if failure.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "is a symbolic link", str(path)) from failure
        raise
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "is not a regular file", str(path))
        return file.read(most_bytes + 1)


def remove(path: Path) -> None:
    """Remove a file that may be gone already, or not ours to remove."""
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _force_names(folder: Path) -> None:
    """A rename is on the disk only when its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
