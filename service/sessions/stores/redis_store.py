"""Snapshots in Redis, so that any server that reaches it can go on with a session."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import OutOfMemoryError, RedisError, ResponseError

from service.errors import InvalidSettings, StoreFull, StoreUnavailable
from service.sessions.stores import redis_scripts
from service.sessions.stores.store import Claim, claim_lost, claimed_elsewhere, new_claim

_PREFIX = "carousel:"
_SNAPSHOT = ":snapshot"
_TIMEOUT_S = 5.0
_MOST_CONNECTIONS = 16
_LONGEST_WAIT_S = 20.0


class RedisStore:
    """A store for many servers; leases and expiry go by Redis's clock.

    A connection that breaks fails the call it breaks in, and no other: the next one connects anew. Nothing
    is tried again here, since a `take` whose answer was lost has taken.
    """

    def __init__(self, url: str, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._where = _without_password(url)
        try:
            # A server that ends puts all its sessions at once: they wait for one of a few connections.
            connections = BlockingConnectionPool.from_url(
                url,
                max_connections=_MOST_CONNECTIONS,
                timeout=_LONGEST_WAIT_S,
                socket_timeout=_TIMEOUT_S,
                socket_connect_timeout=_TIMEOUT_S,
                retry=Retry(NoBackoff(), 0),
            )
        except ValueError as failure:
            raise InvalidSettings(f"CAROUSEL_SESSION_STORE: {self._where}: {failure}") from None
        self._redis: Any = Redis.from_pool(connections)

    async def claim(self, session_id: str, owner: str, lease_s: float) -> Claim:
        claim = new_claim(session_id, owner)
        found = await self._run(redis_scripts.CLAIM, claim, owner, _milliseconds(lease_s))
        if found:
            raise claimed_elsewhere(session_id, found[0].decode(), found[1] / 1000)
        return claim

    async def renew(self, claim: Claim, lease_s: float) -> None:
        await self._run(redis_scripts.RENEW, claim, _milliseconds(lease_s))

    async def release(self, claim: Claim) -> None:
        await self._run(redis_scripts.RELEASE, claim)

    async def put(self, claim: Claim, snapshot: bytes, expires_s: float, lease_s: float) -> None:
        lives = _milliseconds(expires_s - self._now())
        await self._run(redis_scripts.PUT, claim, _milliseconds(lease_s), snapshot, lives)

    async def get(self, session_id: str) -> bytes | None:
        with self._failures_worded():
            snapshot: bytes | None = await self._redis.get(_keys(session_id)[1])
        return snapshot

    async def take(self, claim: Claim) -> bytes | None:
        snapshot: bytes | None = await self._run(redis_scripts.TAKE, claim)
        return snapshot

    async def delete(self, claim: Claim) -> None:
        await self.take(claim)

    async def ids(self) -> AsyncIterator[str]:
        seen = set()
        with self._failures_worded():
            async for key in self._redis.scan_iter(match=f"{_PREFIX}*{_SNAPSHOT}", count=1000):
                # SCAN may give a key twice.
                if key not in seen:
                    seen.add(key)
                    yield _session_id(key.decode())

    async def close(self) -> None:
        await self._redis.aclose()

    async def _run(self, script: str, claim: Claim, *args: str | bytes | int) -> Any:
        try:
            with self._failures_worded():
                return await self._redis.eval(script, 2, *_keys(claim.session_id), claim.token, *args)
        except _ClaimGone:
            raise claim_lost(claim) from None

    @contextmanager
    def _failures_worded(self) -> Iterator[None]:
        try:
            yield
        except OutOfMemoryError:
            raise StoreFull(f"session store: {self._where} has reached its maxmemory") from None
        except ResponseError as failure:
            if "CLAIM lost" in str(failure):
                raise _ClaimGone from None
            raise StoreUnavailable(f"session store: {self._where} refused: {failure}") from None
        except (RedisError, OSError) as failure:
            raise StoreUnavailable(f"session store: {self._where} does not answer: {failure}") from None


class _ClaimGone(Exception):
    """A script did not find the claim it was called with."""


def _keys(session_id: str) -> tuple[str, str]:
    """Claim and snapshot; in braces, so that a cluster keeps both on one node."""
    stem = f"{_PREFIX}{{{quote(session_id, safe='', errors='surrogatepass')}}}"
    return f"{stem}:claim", stem + _SNAPSHOT


def _session_id(key: str) -> str:
    return unquote(key.removeprefix(_PREFIX).removesuffix(_SNAPSHOT)[1:-1])


def _milliseconds(seconds: float) -> int:
    """At least one: Redis takes no less."""
    return max(1, round(seconds * 1000))


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}:{parts.port or 6379}{parts.path}"
