"""Whether files have changed, asked as often as one likes and looked at once a second."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

_LOOK_EVERY_S = 1.0
_Look: TypeAlias = tuple[tuple[int, int, int] | None, ...]


class FileWatch:
    """Knows files by time, size and inode: a file renamed into place differs by the last at least."""

    def __init__(self, paths: Sequence[Path], now: Callable[[], float]) -> None:
        self._paths = paths
        self._now = now
        self._seen = self._look()
        self._next_look_s = now() + _LOOK_EVERY_S

    def has_changed(self) -> bool:
        """True once for each change."""
        now_s = self._now()
        if now_s < self._next_look_s:
            return False
        self._next_look_s = now_s + _LOOK_EVERY_S
        before, self._seen = self._seen, self._look()
        return before != self._seen

    def look_again(self) -> None:
        """Let the next look find a change: what this one found could not be used."""
        self._seen = ()

    def _look(self) -> _Look:
        return tuple(_identity(path) for path in self._paths)


def _identity(path: Path) -> tuple[int, int, int] | None:
    try:
        # Follows links: Kubernetes renews a secret by pointing one elsewhere.
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
