"""Snapshots in this process: nothing outlives it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable

from service.sessions.stores.store import Claim, claim_lost, claimed_elsewhere, new_claim


class MemoryStore:
    """For tests, and for handing sessions over between models of one server."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._claims: dict[str, tuple[Claim, float]] = {}
        self._snapshots: dict[str, tuple[bytes, float]] = {}

    async def claim(self, session_id: str, owner: str, lease_s: float) -> Claim:
        claim = new_claim(session_id, owner)
        held, until_s = self._claims.get(session_id, (claim, 0.0))
        if held.owner != owner and until_s > self._now():
            raise claimed_elsewhere(session_id, held.owner, until_s - self._now())
        self._claims[session_id] = claim, self._now() + lease_s
        return claim

    async def renew(self, claim: Claim, lease_s: float) -> None:
        self._check(claim)
        self._claims[claim.session_id] = claim, self._now() + lease_s

    async def release(self, claim: Claim) -> None:
        if self._is_held(claim):
            del self._claims[claim.session_id]

    async def put(self, claim: Claim, snapshot: bytes, expires_s: float, lease_s: float) -> None:
        await self.renew(claim, lease_s)
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

    async def ids(self) -> AsyncIterator[str]:
        for session_id in list(self._snapshots):
            if await self.get(session_id) is not None:
                yield session_id

    async def close(self) -> None:
        self._snapshots.clear()

    def _is_held(self, claim: Claim) -> bool:
        held, until_s = self._claims.get(claim.session_id, (None, 0.0))
        return held == claim and until_s > self._now()

    def _check(self, claim: Claim) -> None:
        if not self._is_held(claim):
            raise claim_lost(claim)
