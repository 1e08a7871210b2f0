"""The files of a store in a folder: one per session with its snapshot, one with its claim."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from service.plans.atomic_files import read_regular
from service.sessions.snapshot_format import MOST_BYTES

SNAPSHOT = ".snapshot"
# A session that runs is written to these in turn.
TURNS = (".even.snapshot", ".odd.snapshot")
CLAIM = ".claim"
PRIVATE = 0o600
_MAGIC = b"CRSLFIL2"
_HEAD = struct.Struct("<8sdQH")
_CHECKSUM_BYTES = 32


class Kept(NamedTuple):
    """A snapshot's file; of a session's files that with the highest `number` is the latest."""

    session_id: str
    expires_s: float
    number: int
    snapshot: bytes


class Held(NamedTuple):
    """A claim's file."""

    token: str
    owner: str


def stem_of(session_id: str) -> str:
    """A file name for any id, of any length and with any characters."""
    return hashlib.sha256(session_id.encode(errors="surrogatepass")).hexdigest()


def packed(kept: Kept) -> bytes:
    session_id = kept.session_id.encode()
    content = _HEAD.pack(_MAGIC, kept.expires_s, kept.number, len(session_id)) + session_id + kept.snapshot
    return content + hashlib.sha256(content).digest()


def read_kept(path: Path) -> Kept:
    """Raises FileNotFoundError, other OSErrors, and ValueError where it is torn or not ours."""
    try:
        # The head and the id come on top of the largest snapshot.
        content = read_regular(path, MOST_BYTES + 4096)
    except OSError as failure:
        if failure.errno in {errno.ELOOP, errno.EINVAL}:
            raise ValueError(failure.strerror) from None
        raise
    body, checksum = content[:-_CHECKSUM_BYTES], content[-_CHECKSUM_BYTES:]
    if not body.startswith(_MAGIC) or hashlib.sha256(body).digest() != checksum:
        raise ValueError("is no whole snapshot file")
    _, expires_s, number, id_bytes = _HEAD.unpack_from(body)
    id_end = _HEAD.size + id_bytes
    kept = Kept(body[_HEAD.size : id_end].decode(), expires_s, number, body[id_end:])
    if path.name.partition(".")[0] != stem_of(kept.session_id):
        raise ValueError(f"is the file of another session, {kept.session_id!r}")
    return kept


def written_claim(held: Held) -> bytes:
    return json.dumps(held).encode()


def read_claim(path: Path) -> Held | None:
    """None where there is none, and where what is there is none of ours; raises OSError."""
    try:
        token, owner = json.loads(read_regular(path, 1 << 16))
        return Held(str(token), str(owner))
    except (FileNotFoundError, ValueError, TypeError):
        return None


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Among all processes of this machine, one at a time; the lock goes with the process that holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
