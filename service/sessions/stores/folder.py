"""Snapshots in a folder of this machine: whole files or none, private to the server's user."""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

import structlog

from service.errors import StoreFull, StoreUnavailable
from service.plans.atomic_files import remove, write_atomically
from service.sessions.stores.folder_files import (
    CLAIM,
    PRIVATE,
    SNAPSHOT,
    Held,
    Kept,
    locked,
    packed,
    read_claim,
    read_kept,
    stem_of,
    written_claim,
)
from service.sessions.stores.folder_room import Room
from service.sessions.stores.store import Claim, claim_lost, claimed_elsewhere, new_claim

_P = ParamSpec("_P")
_T = TypeVar("_T")
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_logger = structlog.get_logger()


class FolderStore:
    """A store that survives this process and its power supply.

    Servers of one machine may share the folder. Disks are slow: all work is done on a thread of its own.
    """

    def __init__(self, folder: Path, most_bytes: int, now: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._now = now
        self._room = Room(folder, most_bytes)
        self._is_open = False
        self._thread = ThreadPoolExecutor(1, "sessions")

    async def claim(self, session_id: str, owner: str, lease_s: float) -> Claim:
        return await self._on_thread(self._claim, new_claim(session_id, owner), lease_s)

    async def renew(self, claim: Claim, lease_s: float) -> None:
        await self._on_thread(self._renew, claim, lease_s)

    async def release(self, claim: Claim) -> None:
        await self._on_thread(self._release, claim)

    async def put(self, claim: Claim, snapshot: bytes, expires_s: float, lease_s: float) -> None:
        await self._on_thread(self._put, claim, Kept(claim.session_id, expires_s, snapshot), lease_s)

    async def get(self, session_id: str) -> bytes | None:
        return await self._on_thread(self._get, session_id)

    async def take(self, claim: Claim) -> bytes | None:
        return await self._on_thread(self._take, claim)

    async def delete(self, claim: Claim) -> None:
        await self._on_thread(self._take, claim)

    async def ids(self) -> AsyncIterator[str]:
        for path in await self._on_thread(self._snapshots):
            kept = await self._on_thread(self._kept, path)
            if kept is not None:
                yield kept.session_id

    async def close(self) -> None:
        await asyncio.to_thread(self._thread.shutdown)

    async def _on_thread(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        def alone() -> _T:
            with self._failures_worded(), self._locked():
                return work(*args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._thread, alone)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if not self._is_open:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(self._folder / ".lock"):
            if not self._is_open:
                self._room.sweep(self._now())
                self._is_open = True
            yield

    @contextmanager
    def _failures_worded(self) -> Iterator[None]:
        try:
            yield
        except OSError as failure:
            words = f"session store: {self._folder}: {failure.strerror}"
            raise (StoreFull if failure.errno in _NO_ROOM else StoreUnavailable)(words) from failure

    def _claim(self, claim: Claim, lease_s: float) -> Claim:
        held = read_claim(self._path(claim.session_id, CLAIM))
        left_s = held.until_s - self._now() if held else 0.0
        if held and held.owner != claim.owner and left_s > 0:
            raise claimed_elsewhere(claim.session_id, held.owner, left_s)
        self._hold(claim, lease_s)
        return claim

    def _renew(self, claim: Claim, lease_s: float) -> None:
        self._check(claim)
        self._hold(claim, lease_s)

    def _release(self, claim: Claim) -> None:
        if self._is_held(claim):
            remove(self._path(claim.session_id, CLAIM))

    def _put(self, claim: Claim, kept: Kept, lease_s: float) -> None:
        self._renew(claim, lease_s)
        path, content = self._path(claim.session_id, SNAPSHOT), packed(kept)
        self._room.make(path, len(content), self._now())
        before = path.stat().st_size if path.exists() else 0
        write_atomically(path, content, mode=PRIVATE)
        self._room.count(len(content) - before)

    def _get(self, session_id: str) -> bytes | None:
        kept = self._kept(self._path(session_id, SNAPSHOT))
        return kept.snapshot if kept else None

    def _take(self, claim: Claim) -> bytes | None:
        self._check(claim)
        snapshot = self._get(claim.session_id)
        self._drop(self._path(claim.session_id, SNAPSHOT))
        return snapshot

    def _kept(self, path: Path) -> Kept | None:
        """None where there is none, where it is expired, and, with a line in the log, where it is torn."""
        try:
            kept = read_kept(path)
        except FileNotFoundError:
            return None
        except ValueError as failure:
            _logger.warning("snapshot_skipped", path=str(path), reason=str(failure))
            return None
        if kept.expires_s > self._now():
            return kept
        self._drop(path)
        return None

    def _drop(self, path: Path) -> None:
        if path.exists():
            self._room.count(-path.stat().st_size)
            path.unlink()

    def _snapshots(self) -> list[Path]:
        return sorted(self._folder.glob(f"*{SNAPSHOT}"))

    def _hold(self, claim: Claim, lease_s: float) -> None:
        held = Held(claim.token, claim.owner, self._now() + lease_s)
        # No server outlives a power cut, so that its claim need not either.
        path = self._path(claim.session_id, CLAIM)
        write_atomically(path, written_claim(held), mode=PRIVATE, lasting=False)

    def _is_held(self, claim: Claim) -> bool:
        held = read_claim(self._path(claim.session_id, CLAIM))
        return held is not None and held.token == claim.token and held.until_s > self._now()

    def _check(self, claim: Claim) -> None:
        if not self._is_held(claim):
            raise claim_lost(claim)

    def _path(self, session_id: str, kind: str) -> Path:
        return self._folder / (stem_of(session_id) + kind)
