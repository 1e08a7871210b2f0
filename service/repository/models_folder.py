"""models_dir, looked at again and again: what is steady in it, and whether it is there at all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import structlog

from service.errors import InvalidBundle, NotFound
from service.repository.disk import Look, Versions, look_at, steady, versions_in
from service.repository.manifest import MANIFEST, NAME

_logger = structlog.get_logger()

_NOTHING = Look({}, frozenset(), (0, 0))


class ModelsFolder:
    """Remembers the last look, so that the next can tell what is still changing. Everything here blocks."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._last = _NOTHING
        self._before = _NOTHING
        self._is_lost = False

    def first_look(self) -> dict[str, Versions]:
        """Every model there is; raises InvalidBundle where there is no such folder."""
        try:
            self._last = self._before = look_at(self.path)
        except OSError:
            raise InvalidBundle(
                f"{self.path}: no such folder: models_dir must hold <name>/<version>/{MANIFEST}"
            ) from None
        return self._last.models

    def look(self) -> bool:
        """Walk through it; False where it is not there, which is logged once and changes nothing."""
        reason = self._walk()
        if reason and not self._is_lost:
            _logger.error("models_dir is not there: nothing is unloaded", path=str(self.path), reason=reason)
        elif self._is_lost and not reason:
            _logger.info("models_dir is there again", path=str(self.path))
        self._is_lost = bool(reason)
        return not reason

    def _walk(self) -> str:
        """Why it cannot be told what is there; empty where it can."""
        try:
            look = look_at(self.path)
        except OSError as failure:
            return failure.strerror or type(failure).__name__
        if not look.models and self._last.models and look.folder != self._last.folder:
            # A mount point that has lost its file system looks like this.
            return "another folder is in its place, and empty"
        self._before, self._last = self._last, look
        return ""

    def names(self) -> Iterator[str]:
        """Models of the last two looks whose folders could be read."""
        yield from sorted((self._last.models.keys() | self._before.models.keys()) - self._last.unread)

    def steady(self, name: str, seen: Versions) -> Versions:
        """A model's bundles as they are now where two looks agree, else as they were `seen`."""
        if name in self._last.unread:
            return seen
        return steady(self._last.models.get(name, {}), self._before.models.get(name, {}), seen)

    def versions(self, name: str) -> Versions:
        """A model's bundles at this moment; raises NotFound where it has none."""
        found = {}
        if re.fullmatch(NAME, name):
            try:
                found = versions_in(self.path / name)
            except OSError as failure:
                raise NotFound(f"model: {name} cannot be read: {failure.strerror}") from None
        if not found:
            raise NotFound(f"model: there is no {name} in models_dir")
        return found
