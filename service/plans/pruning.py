"""Keeping a folder of plans below a size: the least recently used go first."""

from __future__ import annotations

import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from service.plans.atomic_files import TEMPORARY, remove

# Another process may still be writing what has no record yet.
_UNFINISHED_S = 3600.0


@dataclass(slots=True)
class _Group:
    """The files of one identity; used when its record was last touched."""

    used_s: float = 0.0
    has_record: bool = False
    files: list[tuple[Path, int]] = field(default_factory=list)

    @property
    def size(self) -> int:
        return sum(size for _, size in self.files)


def prune(folder: Path, most_bytes: int) -> int:
    """Remove plans until `most_bytes` or fewer are left, and what broken writers left; the number removed."""
    removed = 0
    groups = sorted(_groups(folder), key=lambda group: group.used_s)
    total = sum(group.size for group in groups)
    for group in groups:
        is_abandoned = not group.has_record and time.time() - group.used_s > _UNFINISHED_S
        if is_abandoned or (total > most_bytes and group.has_record):
            total -= group.size
            removed += 1
            for path, _ in group.files:
                remove(path)
    return removed


def remove_superseded(plan: Path) -> None:
    """Remove older plans of the same identity, but none that another process may be about to record."""
    for path in plan.parent.glob(f"{plan.name.partition('.')[0]}.*.plan"):
        with suppress(OSError):
            if path != plan and time.time() - path.lstat().st_mtime > _UNFINISHED_S:
                remove(path)


def _groups(folder: Path) -> list[_Group]:
    groups: defaultdict[str, _Group] = defaultdict(_Group)
    for path in folder.glob("*"):
        with suppress(OSError):
            status = path.lstat()
            if path.suffix in {".json", ".plan", TEMPORARY}:
                _add(groups[path.name.partition(".")[0]], path, status.st_size, status.st_mtime)
    return list(groups.values())


def _add(group: _Group, path: Path, size: int, modified_s: float) -> None:
    is_record = path.suffix == ".json"
    # The record goes first: a plan without one is never used, a record without a plan is a complaint.
    group.files.insert(0 if is_record else len(group.files), (path, size))
    if is_record or not group.has_record:
        group.used_s = modified_s if is_record else max(group.used_s, modified_s)
    group.has_record |= is_record
