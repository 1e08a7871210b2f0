"""A bundle's files, read without trusting what lies there."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from service.errors import InvalidBundle


@contextmanager
def opened(path: Path, most_bytes: int) -> Iterator[BinaryIO]:
    """A plain file; raises InvalidBundle where it is a link, a pipe, a device, or has more bytes."""
    try:
        file = open(path, "rb", opener=_without_surprises)  # noqa: SIM115 - Path.open takes no opener
    except OSError as failure:
        is_link = failure.errno == errno.ELOOP
        reason = "is a link: expected a file" if is_link else failure.strerror
        raise InvalidBundle(f"{path}: {reason}") from None
    with file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise InvalidBundle(f"{path}: is no plain file: expected one")
        if found.st_size > most_bytes:
            raise InvalidBundle(f"{path}: has {found.st_size:,} bytes: expected {most_bytes:,} at most")
        yield file


def read_file(path: Path, most_bytes: int) -> bytes:
    """The file's bytes; raises InvalidBundle as `opened` does, also where it grows while it is read."""
    with opened(path, most_bytes) as file:
        try:
            content = file.read(most_bytes + 1)
        except OSError as failure:
            raise InvalidBundle(f"{path}: {failure.strerror}") from None
    if len(content) > most_bytes:
        raise InvalidBundle(f"{path}: has more than {most_bytes:,} bytes: expected that at most")
    return content


def check_sha256(path: Path, content: bytes, expected: str) -> None:
    """Raises InvalidBundle where these are not the bytes the manifest speaks of."""
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise InvalidBundle(f"{path}: its SHA-256 is {found}, the manifest says {expected}")


def _without_surprises(path: str, flags: int) -> int:
    """A link is not followed, and a pipe not waited for."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
