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
    temporary = f"{path}.{uuid.uuid4().hex}{TEMPORARY}"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            write_all(descriptor, content)
            if lasting:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        # Not by pathlib: sessions are written thousands of times a second.
        os.rename(temporary, path)  # noqa: PTH104
    except BaseException:
        remove(Path(temporary))
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


def write_all(descriptor: int, content: bytes) -> None:
    """One write may take less than it is given."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _force_names(folder: Path) -> None:
    """A rename is on the disk only when its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
