"""How much a folder of snapshots holds, and what in it has no use any more."""

from __future__ import annotations

import os
from pathlib import Path

import structlog

from service.errors import StoreFull
from service.plans.atomic_files import TEMPORARY, remove
from service.sessions.stores.folder_files import CLAIM, SNAPSHOT, read_claim, read_kept
from service.sessions.stores.folder_owners import OWNER, Owners

_SWEEP_EVERY_S = 10.0
_logger = structlog.get_logger()


class Room:
    """Counts bytes as they come and go, and again from the files when they seem too many.

    Servers that share a folder see each other's files only when they count again, so that the limit may be
    passed by what the others wrote since.
    """

    def __init__(self, folder: Path, most_bytes: int, owners: Owners) -> None:
        self._folder = folder
        self._owners = owners
        self._most_bytes = most_bytes
        self._bytes = 0
        self._swept_s = 0.0

    def sweep(self, now_s: float) -> None:
        """Remove what is expired or half written, and count the rest; the folder must be locked."""
        self._bytes, self._swept_s = 0, now_s
        with os.scandir(self._folder) as entries:
            for entry in entries:
                path = Path(entry.path)
                if entry.name.endswith(TEMPORARY):
                    remove(path)
                elif entry.name.endswith(OWNER):
                    self._owners.sweep(path)
                elif entry.name.endswith(CLAIM):
                    self._sweep_claim(path)
                elif entry.name.endswith(SNAPSHOT):
                    self._sweep_snapshot(path, now_s)

    def make(self, path: str | Path, size: int, now_s: float) -> int:
        """Room for `size` bytes in place of what is at `path`, whose size it returns.

        Raises StoreFull where there is none.
        """
        before = _size(path)
        is_full = self._bytes - before + size > self._most_bytes
        # It reads every file, and a full store is asked again and again.
        if is_full and now_s >= self._swept_s + _SWEEP_EVERY_S:
            self.sweep(now_s)
            before = _size(path)
        if self._bytes + size - before > self._most_bytes:
            raise StoreFull(
                f"session store: {self._folder} would hold {self._bytes + size - before:,} bytes: "
                f"CAROUSEL_MAX_SESSION_STORE_BYTES allows {self._most_bytes:,}"
            )
        return before

    def count(self, more: int) -> None:
        self._bytes += more

    def _sweep_claim(self, path: Path) -> None:
        held = read_claim(path)
        if held is None or self._owners.is_gone(held.owner):
            remove(path)

    def _sweep_snapshot(self, path: Path, now_s: float) -> None:
        try:
            expires_s = read_kept(path).expires_s
        except (OSError, ValueError) as failure:
            # Left where it is: somebody may want to know what it was.
            _logger.warning("snapshot_skipped", path=str(path), reason=str(failure))
        else:
            if expires_s <= now_s:
                remove(path)
        self._bytes += _size(path)


def _size(path: str | Path) -> int:
    try:
        # Not by pathlib: each put comes here.
        return os.stat(path).st_size  # noqa: PTH116
    except FileNotFoundError:
        return 0
