"""Snapshots in a folder of this machine: whole files or none, private to the server's user."""

from __future__ import annotations

import errno
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

import structlog

from service.errors import StoreFull, StoreUnavailable
from service.sessions.stores.folder_claims import FolderClaims
from service.sessions.stores.folder_files import (
    locked,
)
from service.sessions.stores.folder_owners import Owners
from service.sessions.stores.folder_room import Room
from service.sessions.stores.folder_snapshots import FolderSnapshots
from service.sessions.stores.folder_thread import FolderThread
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
        self._owners = Owners(folder)
        self._room = Room(folder, most_bytes, self._owners)
        self._claims = FolderClaims(folder)
        self._snapshots = FolderSnapshots(folder, self._room, now)
        self._is_open = False
        self._thread = FolderThread(self._locked)

    async def beat(self, owner: str, lease_s: float) -> list[str]:
        return await self._on_thread(lambda: self._owners.beat(owner, self._now() + lease_s))

    async def depart(self, owner: str) -> None:
        await self._on_thread(self._owners.depart, owner)

    async def claim(self, session_id: str, owner: str, *, is_asking: bool = False) -> Claim:
        return await self._on_thread(self._claim, new_claim(session_id, owner), is_asking=is_asking)

    async def renew(self, claim: Claim) -> Claim:
        return await self._on_thread(self._renew, claim)

    async def release(self, claim: Claim) -> None:
        await self._on_thread(self._release, claim)

    async def put(self, claim: Claim, snapshot: bytes, expires_s: float, *, is_lasting: bool = True) -> None:
        await self._on_thread(self._put, claim, snapshot, expires_s, is_lasting=is_lasting)

    async def get(self, session_id: str) -> bytes | None:
        return await self._on_thread(self._snapshots.get, session_id)

    async def take(self, claim: Claim) -> bytes | None:
        return await self._on_thread(self._take, claim)

    async def delete(self, claim: Claim) -> None:
        await self._on_thread(self._delete, claim)

    async def ids(self) -> AsyncIterator[str]:
        for session_id in await self._on_thread(self._snapshots.ids):
            yield session_id

    async def close(self) -> None:
        await self._thread.close()
        self._owners.close()

    async def _on_thread(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        with self._failures_worded():
            return await self._thread.done(work, *args, **kwargs)

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

    def _claim(self, claim: Claim, *, is_asking: bool) -> Claim:
        holder = self._claims.holder(claim.session_id)
        if holder is not None and holder != claim.owner:
            left_s = self._owners.left_s(holder, self._now())
            if left_s > 0:
                if is_asking:
                    self._owners.ask(holder, claim.session_id)
                raise claimed_elsewhere(claim.session_id, holder, left_s)
        self._owners.settle(claim.owner, claim.session_id)
        self._snapshots.forget(claim.session_id)
        return self._claims.hold(claim)

    def _renew(self, claim: Claim) -> Claim:
        if self._claims.holder(claim.session_id) != claim.owner:
            raise claim_lost(claim)
        return self._claims.hold(new_claim(claim.session_id, claim.owner))

    def _release(self, claim: Claim) -> None:
        self._snapshots.forget(claim.session_id)
        self._claims.drop(claim)

    def _put(self, claim: Claim, snapshot: bytes, expires_s: float, *, is_lasting: bool) -> None:
        self._check(claim)
        self._snapshots.put(claim.session_id, snapshot, expires_s, is_lasting=is_lasting)

    def _take(self, claim: Claim) -> bytes | None:
        self._check(claim)
        snapshot = self._snapshots.get(claim.session_id)
        self._snapshots.drop(claim.session_id)
        return snapshot

    def _delete(self, claim: Claim) -> None:
        self._check(claim)
        self._snapshots.drop(claim.session_id)
        self._claims.drop(claim)

    def _check(self, claim: Claim) -> None:
        if not self._claims.is_held(claim):
            raise claim_lost(claim)
