"""The claims in a folder, each a file; those of this server need not be read each time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from service.plans.atomic_files import remove, write_atomically
from service.sessions.stores.folder_files import CLAIM, PRIVATE, Held, read_claim, stem_of, written_claim
from service.sessions.stores.store import Claim


class _Seen(NamedTuple):
    """Which file has the token: another claim is another file, or the same place on the disk later."""

    token: str
    inode: int
    written_ns: int


class FolderClaims:
    """The folder must be locked in every call."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: dict[str, _Seen] = {}

    def hold(self, claim: Claim) -> Claim:
        """Put it in the place of whatever claim there is."""
        path = self._path(claim.session_id)
        # No server outlives a power cut, so that its claim need not either.
        write_atomically(Path(path), written_claim(Held(claim.token, claim.owner)), PRIVATE, lasting=False)
        self._see(claim, path)
        return claim

    def holder(self, session_id: str) -> str | None:
        held = read_claim(Path(self._path(session_id)))
        return None if held is None else held.owner

    def is_held(self, claim: Claim) -> bool:
        path = self._path(claim.session_id)
        seen = self._seen.get(claim.session_id)
        if seen is not None and seen == _look(path, claim.token):
            return True
        self._seen.pop(claim.session_id, None)
        held = read_claim(Path(path))
        return held is not None and held.token == claim.token

    def drop(self, claim: Claim) -> None:
        if self.is_held(claim):
            self._seen.pop(claim.session_id, None)
            remove(Path(self._path(claim.session_id)))

    def _see(self, claim: Claim, path: str) -> None:
        seen = _look(path, claim.token)
        if seen is not None:
            self._seen[claim.session_id] = seen

    def _path(self, session_id: str) -> str:
        return f"{self._folder}/{stem_of(session_id)}{CLAIM}"


def _look(path: str, token: str) -> _Seen | None:
    try:
        # Not by pathlib: each put comes here.
        status = os.stat(path)  # noqa: PTH116
    except FileNotFoundError:
        return None
    return _Seen(token, status.st_ino, status.st_mtime_ns)
