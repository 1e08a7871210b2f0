"""The stores under one contract: two clients of each, as two servers would have, and a way past a lease."""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from redis.asyncio import Redis
from redis_server import RedisServer

from service.sessions.stores.folder import FolderStore
from service.sessions.stores.memory import MemoryStore
from service.sessions.stores.redis_store import RedisStore, _keys
from service.sessions.stores.store import SnapshotStore

LEASE_S = 30.0


class WallClock:
    """Unix time, and what a test skips of it."""

    def __init__(self) -> None:
        self.skipped_s = 0.0

    def now(self) -> float:
        return time.time() + self.skipped_s


@dataclass
class Stores:
    """`lapse` ends the leases of all owners, `forget` lets a snapshot's time be over."""

    clients: tuple[SnapshotStore, SnapshotStore]
    lapse: Callable[[], Awaitable[None]]
    forget: Callable[[str], Awaitable[None]]


@asynccontextmanager
async def memory_stores() -> AsyncIterator[Stores]:
    clock = WallClock()
    store = MemoryStore(clock.now)
    yield Stores((store, store), _turning(clock, LEASE_S), _turning(clock, 2000.0))
    await store.close()


@asynccontextmanager
async def folder_stores() -> AsyncIterator[Stores]:
    clock = WallClock()
    with tempfile.TemporaryDirectory() as folder:
        one, other = (FolderStore(Path(folder) / "s", 1 << 20, clock.now) for _ in range(2))
        try:
            yield Stores((one, other), _turning(clock, LEASE_S), _turning(clock, 2000.0))
        finally:
            await one.close()
            await other.close()


@asynccontextmanager
async def redis_stores(server: RedisServer) -> AsyncIterator[Stores]:
    raw = Redis.from_url(server.url)
    await raw.flushall()
    one, other = RedisStore(server.url), RedisStore(server.url)

    async def lapse() -> None:
        for key in await raw.keys("carousel:owner:*"):
            await raw.pexpire(key, 0)

    async def forget(session_id: str) -> None:
        await raw.pexpire(_keys(session_id)[1], 0)

    try:
        yield Stores((one, other), lapse, forget)
    finally:
        for client in (one, other):
            await client.close()
        await raw.aclose()


def _turning(clock: WallClock, seconds: float) -> Callable[..., Awaitable[None]]:
    async def turn(*_: str) -> None:
        clock.skipped_s += seconds

    return turn
