"""The snapshots of a folder: one file that lasts, and two that a running session is written to in turn.

Renaming a file over another has the disk take it at once, which costs a hundred times the writing. Of two
files that are overwritten in turn one is always whole: a server that is killed spoils the one that it was
writing, and the step before is in the other.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import structlog

from service.plans.atomic_files import write_all, write_atomically
from service.sessions.stores.folder_files import PRIVATE, SNAPSHOT, TURNS, Kept, packed, read_kept, stem_of
from service.sessions.stores.folder_room import Room

_logger = structlog.get_logger()


class FolderSnapshots:
    """The folder must be locked in every call."""

    def __init__(self, folder: Path, room: Room, now: Callable[[], float]) -> None:
        self._folder = folder
        self._room = room
        self._now = now
        # The number of the last that was written here, while nobody else can have written.
        self._written: dict[str, int] = {}

    def forget(self, session_id: str) -> None:
        """Somebody else may write it, or may have."""
        self._written.pop(session_id, None)

    def put(self, session_id: str, snapshot: bytes, expires_s: float, *, is_lasting: bool) -> None:
        number = self._next_number(session_id)
        content = packed(Kept(session_id, expires_s, number, snapshot))
        if is_lasting:
            self._write(self._path(session_id, SNAPSHOT), content, _replace)
            for kind in TURNS:
                self._drop(self._path(session_id, kind))
        else:
            self._write(self._path(session_id, TURNS[number % 2]), content, _overwrite)
        self._written[session_id] = number

    def get(self, session_id: str) -> bytes | None:
        """None where there is none that is whole, and where the latest is expired."""
        latest = self._latest(session_id)
        if latest is None or latest.expires_s > self._now():
            return None if latest is None else latest.snapshot
        self.drop(session_id)
        return None

    def drop(self, session_id: str) -> None:
        self._written.pop(session_id, None)
        for kind in (SNAPSHOT, *TURNS):
            self._drop(self._path(session_id, kind))

    def ids(self) -> list[str]:
        """Of every session of which there is one."""
        found = {kept.session_id: None for path in self._paths() if (kept := _read(path)) is not None}
        return [session_id for session_id in found if self.get(session_id) is not None]

    def _next_number(self, session_id: str) -> int:
        number = self._written.get(session_id)
        if number is None:
            latest = self._latest(session_id)
            number = 0 if latest is None else latest.number
        # In turn: what is overwritten is never the latest.
        return number + 1

    def _latest(self, session_id: str) -> Kept | None:
        found = [_read(self._path(session_id, kind)) for kind in (SNAPSHOT, *TURNS)]
        return max((kept for kept in found if kept), key=lambda kept: kept.number, default=None)

    def _write(self, path: str, content: bytes, write: Callable[[str, bytes], None]) -> None:
        before = self._room.make(path, len(content), self._now())
        write(path, content)
        self._room.count(len(content) - before)

    def _drop(self, path: str) -> None:
        try:
            size = os.stat(path).st_size  # noqa: PTH116
        except FileNotFoundError:
            return
        self._room.count(-size)
        os.unlink(path)  # noqa: PTH108

    def _paths(self) -> Iterator[str]:
        yield from sorted(map(str, self._folder.glob(f"*{SNAPSHOT}")))

    def _path(self, session_id: str, kind: str) -> str:
        # Not by pathlib: each put comes here.
        return f"{self._folder}/{stem_of(session_id)}{kind}"


def _read(path: str) -> Kept | None:
    """None where there is none, and, with a line in the log, where it is torn or somebody else's."""
    try:
        return read_kept(Path(path))
    except FileNotFoundError:
        return None
    except ValueError as failure:
        _logger.warning("snapshot_skipped", path=path, reason=str(failure))
        return None


def _replace(path: str, content: bytes) -> None:
    write_atomically(Path(path), content, PRIVATE)


def _overwrite(path: str, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE)
    try:
        write_all(descriptor, content)
        if os.fstat(descriptor).st_size > len(content):
            os.ftruncate(descriptor, len(content))
    finally:
        os.close(descriptor)
