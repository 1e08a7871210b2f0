"""Snapshots in this process: nothing outlives it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable

from service.sessions.stores.store import Claim, claim_lost, claimed_elsewhere, new_claim


class MemoryStore:
    """For tests, and for handing sessions over between models of one server."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._claims: dict[str, Claim] = {}
        self._owners: dict[str, float] = {}
        self._wanted: dict[str, dict[str, None]] = {}
        self._snapshots: dict[str, tuple[bytes, float]] = {}

    async def beat(self, owner: str, lease_s: float) -> list[str]:
        self._owners[owner] = self._now() + lease_s
        return list(self._wanted.pop(owner, {}))

    async def depart(self, owner: str) -> None:
        self._owners.pop(owner, None)
        self._wanted.pop(owner, None)

    async def claim(self, session_id: str, owner: str, *, is_asking: bool = False) -> Claim:
        claim = new_claim(session_id, owner)
        held = self._claims.get(session_id, claim)
        left_s = self._owners.get(held.owner, 0.0) - self._now()
        if held.owner != owner and left_s > 0:
            if is_asking:
                self._wanted.setdefault(held.owner, {})[session_id] = None
            raise claimed_elsewhere(session_id, held.owner, left_s)
        self._wanted.get(owner, {}).pop(session_id, None)
        self._claims[session_id] = claim
        return claim

    async def renew(self, claim: Claim) -> Claim:
        held = self._claims.get(claim.session_id)
        if held is None or held.owner != claim.owner:
            raise claim_lost(claim)
        renewed = self._claims[claim.session_id] = new_claim(claim.session_id, claim.owner)
        return renewed

    async def release(self, claim: Claim) -> None:
        if self._is_held(claim):
            del self._claims[claim.session_id]

    async def put(self, claim: Claim, snapshot: bytes, expires_s: float, *, is_lasting: bool = True) -> None:
        self._check(claim)
        self._snapshots[claim.session_id] = snapshot, expires_s

    async def get(self, session_id: str) -> bytes | None:
        snapshot, expires_s = self._snapshots.get(session_id, (b"", 0.0))
        if expires_s > self._now():
            return snapshot
        self._snapshots.pop(session_id, None)
        return None

    async def take(self, claim: Claim) -> bytes | None:
        self._check(claim)
        snapshot = await self.get(claim.session_id)
        self._snapshots.pop(claim.session_id, None)
        return snapshot

    async def delete(self, claim: Claim) -> None:
        await self.take(claim)
        await self.release(claim)

    async def ids(self) -> AsyncIterator[str]:
        for session_id in list(self._snapshots):
            if await self.get(session_id) is not None:
                yield session_id

    async def close(self) -> None:
        self._snapshots.clear()

    def _is_held(self, claim: Claim) -> bool:
        return self._claims.get(claim.session_id) == claim

    def _check(self, claim: Claim) -> None:
        if not self._is_held(claim):
            raise claim_lost(claim)
