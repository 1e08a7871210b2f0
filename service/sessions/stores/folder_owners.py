"""Which servers use a folder: each keeps a file of its own locked for as long as it lives."""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import suppress
from pathlib import Path

from service.plans.atomic_files import read_regular, remove
from service.sessions.stores.folder_files import PRIVATE, stem_of

OWNER = ".owner"
WANTED = ".wanted"
_MOST_BYTES = 1 << 24


class Owners:
    """The lock tells who was killed at once, the time in the file who was stopped or hangs.

    The folder must be locked in every call but `close`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptors: dict[str, int] = {}

    def beat(self, owner: str, until_s: float) -> list[str]:
        """The sessions that others want of this owner, who is there until then."""
        if owner not in self._descriptors:
            self._descriptors[owner] = _opened(self._path(owner, OWNER))
        os.pwrite(self._descriptors[owner], f"{until_s:020.6f}".encode(), 0)
        return self._wishes(self._path(owner, WANTED))

    def depart(self, owner: str) -> None:
        if owner in self._descriptors:
            os.close(self._descriptors.pop(owner))
            remove(self._path(owner, OWNER))
            remove(self._path(owner, WANTED))

    def left_s(self, owner: str, now_s: float) -> float:
        """How much longer this owner may be silent; 0 where it is gone."""
        return max(0.0, (_locked_until_s(self._path(owner, OWNER)) or 0.0) - now_s)

    def is_gone(self, owner: str) -> bool:
        """Not only silent: its process has ended."""
        return _locked_until_s(self._path(owner, OWNER)) is None

    def ask(self, owner: str, *session_ids: str) -> None:
        """Have its next `beat` tell this owner that the sessions are wanted."""
        descriptor = os.open(
            self._path(owner, WANTED),
            os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC,
            PRIVATE,
        )
        try:
            os.write(descriptor, b"".join(json.dumps(each).encode() + b"\n" for each in session_ids))
        finally:
            os.close(descriptor)

    def settle(self, owner: str, session_id: str) -> None:
        """Whoever has wanted this session of this owner has had it."""
        wishes = self._wishes(self._path(owner, WANTED))
        if left := [wish for wish in wishes if wish != session_id]:
            self.ask(owner, *left)

    def sweep(self, path: Path) -> None:
        """Remove the file of an owner that is gone, and what it was asked for."""
        if _locked_until_s(path) is None:
            remove(path)
            remove(path.with_suffix(WANTED))

    def close(self) -> None:
        for descriptor in self._descriptors.values():
            os.close(descriptor)
        self._descriptors.clear()

    def _wishes(self, path: Path) -> list[str]:
        try:
            lines = read_regular(path, _MOST_BYTES).splitlines()
        except FileNotFoundError:
            return []
        remove(path)
        return list(dict.fromkeys(json.loads(line) for line in lines))

    def _path(self, owner: str, kind: str) -> Path:
        return self._folder / (stem_of(owner) + kind)


def _opened(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE)
    # Whoever has it already is the same owner under another roof.
    with suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor


def _locked_until_s(path: Path) -> float | None:
    """What the file says, None where nobody holds it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return float(os.pread(descriptor, 64, 0))
    finally:
        os.close(descriptor)
    return None
