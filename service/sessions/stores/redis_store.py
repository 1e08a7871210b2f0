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
from service.sessions.stores.redis_puts import RedisPuts
from service.sessions.stores.store import Claim, claim_lost, claimed_elsewhere, new_claim

_PREFIX = "carousel:"
_SNAPSHOT = ":snapshot"
_TIMEOUT_S = 5.0
_MOST_CONNECTIONS = 16
_LONGEST_WAIT_S = 20.0
# A claim is forgotten this long after its snapshot, or after it was made where there is none.
_OUTLIVES_S = 86_400.0
_WISH_S = 60.0
# Each time round, the session has gone to yet another owner meanwhile.
_MOST_HOLDERS = 10


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
        self._puts = RedisPuts(self._redis)

    async def beat(self, owner: str, lease_s: float) -> list[str]:
        with self._failures_worded():
            wanted = await self._redis.eval(
                redis_scripts.BEAT, 2, *_owner_keys(owner), _milliseconds(lease_s)
            )
        return [session_id.decode(errors="surrogatepass") for session_id in wanted]

    async def depart(self, owner: str) -> None:
        with self._failures_worded():
            await self._redis.delete(*_owner_keys(owner))

    async def claim(self, session_id: str, owner: str, *, is_asking: bool = False) -> Claim:
        claim, holder = new_claim(session_id, owner), owner
        for _ in range(_MOST_HOLDERS):
            keys = (*_keys(session_id), *_owner_keys(holder))
            wish = (int(is_asking), session_id, _milliseconds(_WISH_S))
            with self._failures_worded():
                found = await self._redis.eval(
                    redis_scripts.CLAIM,
                    4,
                    *keys,
                    claim.token,
                    owner,
                    _milliseconds(_OUTLIVES_S),
                    holder,
                    *wish,
                )
            if not found:
                return claim
            holder = found[0].decode()
            if len(found) > 1:
                raise claimed_elsewhere(session_id, holder, found[1] / 1000)
        raise claimed_elsewhere(session_id, holder, 0.0)

    async def renew(self, claim: Claim) -> Claim:
        renewed = new_claim(claim.session_id, claim.owner)
        await self._run(redis_scripts.RENEW, claim, renewed.owner, renewed.token)
        return renewed

    async def release(self, claim: Claim) -> None:
        await self._run(redis_scripts.RELEASE, claim)

    async def put(self, claim: Claim, snapshot: bytes, expires_s: float, *, is_lasting: bool = True) -> None:
        lives_s = max(0.0, expires_s - self._now())
        lives = (_milliseconds(lives_s), _milliseconds(lives_s + _OUTLIVES_S))
        try:
            with self._failures_worded():
                keys = _keys(claim.session_id)
                await self._puts.put((redis_scripts.PUT, 2, *keys, claim.token, snapshot, *lives))
        except _ClaimGone:
            raise claim_lost(claim) from None

    async def get(self, session_id: str) -> bytes | None:
        with self._failures_worded():
            snapshot: bytes | None = await self._redis.get(_keys(session_id)[1])
        return snapshot

    async def take(self, claim: Claim) -> bytes | None:
        snapshot: bytes | None = await self._run(redis_scripts.TAKE, claim)
        return snapshot

    async def delete(self, claim: Claim) -> None:
        await self._run(redis_scripts.DELETE, claim)

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


def _owner_keys(owner: str) -> tuple[str, str]:
    """That it is there, and what it is asked for."""
    stem = f"{_PREFIX}owner:{{{quote(owner, safe='')}}}"
    return stem, f"{stem}:wanted"


def _session_id(key: str) -> str:
    return unquote(key.removeprefix(_PREFIX).removesuffix(_SNAPSHOT)[1:-1])


def _milliseconds(seconds: float) -> int:
    """At least one: Redis takes no less."""
    return max(1, round(seconds * 1000))


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}:{parts.port or 6379}{parts.path}"
