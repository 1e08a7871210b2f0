"""What lies in models_dir: every bundle with the marks by which a change of its files is seen."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TypeAlias

from service.repository.manifest import MANIFEST
from service.repository.versions import is_version

Marks: TypeAlias = frozenset[tuple[str, int, int, int]]
"""Name, bytes, and nanoseconds of last write and last change of each file of a bundle's folder."""

Versions: TypeAlias = dict[str, Marks]
"""The marks of a model's bundles by version; one without a manifest does not exist."""


class Look(NamedTuple):
    """What one walk through models_dir found.

    `unread` are models whose folders could not be read; `folder` is device and inode of models_dir,
    which tell an emptied folder from a mount point that has lost its file system.
    """

    models: dict[str, Versions]
    unread: frozenset[str]
    folder: tuple[int, int]


def look_at(models_dir: Path) -> Look:
    """Walk through models_dir; raises OSError where it cannot be read."""
    status = models_dir.stat()
    models: dict[str, Versions] = {}
    unread = set()
    for name in sorted(_folders(models_dir)):
        try:
            versions = versions_in(models_dir / name)
        except OSError:
            unread.add(name)
            continue
        if versions:
            models[name] = versions
    return Look(models, frozenset(unread), (status.st_dev, status.st_ino))


def versions_in(model_folder: Path) -> Versions:
    """A model's bundles; raises OSError where its folder or one of theirs cannot be read."""
    found = {name: _marks(model_folder / name) for name in _folders(model_folder) if is_version(name)}
    return {version: marks for version, marks in found.items() if marks}


def steady(now: Versions, before: Versions, seen: Versions) -> Versions:
    """What is the same in two looks as it is now, and what is still changing as it was `seen` last.

    A folder that is being copied grows from look to look, one that is being replaced is gone for a moment.
    """
    settled = {}
    for version in now.keys() | before.keys() | seen.keys():
        is_same = now.get(version) == before.get(version)
        marks = now.get(version) if is_same else seen.get(version)
        if marks is not None:
            settled[version] = marks
    return settled


def _folders(parent: Path) -> Iterator[str]:
    with suppress(FileNotFoundError), os.scandir(parent) as entries:
        yield from (entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))


def _marks(folder: Path) -> Marks:
    """Empty where there is no manifest, also where folder or files vanish while they are looked at."""
    marks = set()
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            # Not what a link leads to: that may be nowhere, as where an editor keeps its lock.
            status = entry.stat(follow_symlinks=False)
            marks.add((entry.name, status.st_size, status.st_mtime_ns, status.st_ctime_ns))
        if any(name == MANIFEST for name, *_ in marks):
            return frozenset(marks)
    return frozenset()
