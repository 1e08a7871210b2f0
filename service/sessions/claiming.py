"""How a server comes by a session: opened here, taken from the store, or asked of whoever runs it."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from service.errors import ClaimLost, SnapshotMismatch, StoreUnavailable
from service.sessions.keeping import Keeping
from service.sessions.session import Session, check_owner, taken_already
from service.sessions.sessions import Sessions
from service.sessions.snapshot_format import load
from service.sessions.stores.store import Claim, SnapshotStore
from service.sessions.turns import Turns

_FIRST_PAUSE_S = 0.005
_LONGEST_PAUSE_S = 0.05


class Claiming:
    """Claims sessions in the name of one owner, for its keeping."""

    def __init__(
        self, store: SnapshotStore, owner: str, keeping: Keeping, turns: Turns, longest_wait_s: float
    ) -> None:
        self._store = store
        self._owner = owner
        self._keeping = keeping
        self._turns = turns
        self._longest_wait_s = longest_wait_s

    async def keep(self, table: Sessions, session: Session, key: str) -> None:
        """Have a session that was just opened in the store; its opener has its lock, or has ended it.

        Raises SessionExists where its id is in use, also on another server, and StoreUnavailable.
        """
        async with self._turns.of(key):
            claim = await self._claim_free(table, session, key)
            try:
                if session.is_open:
                    kept = self._keeping.add(key, table, session, claim)
                    self._keeping.removals.overtake(key)
                    await kept.save_snapshot(table.snapshot_at_rest(session))
            finally:
                if session.journal is None:
                    await self._release(claim)

    async def check_free(self, table: Sessions, identity: str, key: str) -> None:
        """Raises SessionExists where the store has a session of this key that the model could go on with."""
        if key not in self._keeping.removals and not await self._is_free(table, key):
            raise taken_already(identity)

    async def resume(self, table: Sessions, identity: str, key: str) -> None:
        """Have a session go on here that waits in the store or runs elsewhere; without one nothing happens.

        Raises StoreUnavailable, ClaimLost where whoever runs it does not give it up, and what
        `Sessions.restore` does; then it is where it was.
        """
        async with self._turns.of(key):
            if identity in table or key in self._keeping or key in self._keeping.removals:
                return
            content = await self._store.get(key)
            if content is None:
                return
            # Before it is claimed: another model's state is for that model, a session for its owner.
            waiting = load(content)
            table.check(waiting)
            check_owner(waiting.owner, identity)
            claim = await self._claim_from_others(key)
            try:
                await self._go_on(table, identity, claim)
            finally:
                if key not in self._keeping:
                    await self._release(claim)

    async def give_back(self, key: str) -> None:
        """Release a claim that nobody here knows of: the store did not take its release.

        Raises StoreUnavailable, ClaimLost.
        """
        async with self._turns.of(key):
            if key not in self._keeping and key not in self._keeping.removals:
                await self._store.release(await self._store.claim(key, self._owner))

    async def _go_on(self, table: Sessions, identity: str, claim: Claim) -> None:
        # What it was before may be older than what the other has just left.
        content = await self._store.get(claim.session_id)
        if content is not None:
            session = table.restore(load(content), identity, "store")
            self._keeping.add(claim.session_id, table, session, claim)

    async def _claim_free(self, table: Sessions, session: Session, key: str) -> Claim:
        """Raises SessionExists where a session of this key is under way anywhere."""
        is_in_use = taken_already(session.id)
        if key in self._keeping:
            raise is_in_use
        try:
            claim = await self._store.claim(key, self._owner)
        except ClaimLost:
            raise is_in_use from None
        try:
            is_free = key in self._keeping.removals or await self._is_free(table, key)
        except BaseException:
            await self._release(claim)
            raise
        if not is_free:
            await self._release(claim)
            raise is_in_use
        return claim

    async def _is_free(self, table: Sessions, key: str) -> bool:
        content = await self._store.get(key)
        if content is None:
            return True
        try:
            table.check(load(content))
        except SnapshotMismatch:
            # State of other weights that was never asked for is in nobody's way.
            return True
        return False

    async def _claim_from_others(self, key: str) -> Claim:
        loop = asyncio.get_running_loop()
        until_s, pause_s = loop.time() + self._longest_wait_s, _FIRST_PAUSE_S
        while True:
            try:
                return await self._store.claim(key, self._owner, is_asking=True)
            except ClaimLost:
                if loop.time() >= until_s:
                    raise
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _release(self, claim: Claim) -> None:
        """Where the store is away whoever wants the session asks for it, and then `give_back` releases it."""
        with suppress(StoreUnavailable):
            await self._store.release(claim)
