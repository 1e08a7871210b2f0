"""What happens to a store when its Redis goes, comes back, or has no memory left."""

from __future__ import annotations

import time

import pytest
from on_a_loop import on_a_loop
from redis.asyncio import Redis
from redis_server import needs_redis, redis_server

from service.errors import InvalidSettings, StoreFull, StoreUnavailable
from service.sessions.stores.redis_store import RedisStore

pytestmark = needs_redis


@on_a_loop
async def test_while_redis_is_away_calls_fail_in_words_and_afterwards_they_succeed():
    with redis_server() as server:
        store = RedisStore(server.url)
        assert await store.get("s") is None
        server.stop()
        for call in (store.get("s"), store.claim("s", "me"), anext(store.ids())):
            with pytest.raises(
                StoreUnavailable, match=rf"redis://127.0.0.1:{server.port}/0 does not answer: "
            ):
                await call
        server.start()
        claim = await store.claim("s", "me")
        await store.put(claim, b"state", time.time() + 100.0)
        assert await store.get("s") == b"state"
        await store.close()


@on_a_loop
async def test_a_redis_without_memory_refuses_and_keeps_what_it_has():
    with redis_server() as server:
        store = RedisStore(server.url)
        claim = await store.claim("s", "me")
        await store.put(claim, b"old", time.time() + 100.0)
        raw = Redis.from_url(server.url)
        await raw.config_set("maxmemory", "1mb")
        with pytest.raises(StoreFull, match="has reached its maxmemory"):
            await store.put(claim, b"new" * (1 << 20), time.time() + 100.0)
        assert await store.get("s") == b"old"
        await raw.aclose()
        await store.close()


@on_a_loop
async def test_redis_forgets_a_snapshot_when_its_time_is_over_by_itself():
    with redis_server() as server:
        store, raw = RedisStore(server.url), Redis.from_url(server.url)
        claim = await store.claim("s", "me")
        await store.put(claim, b"state", time.time() + 100.0)
        lives = sorted([await raw.pttl(key) for key in await raw.keys()])
        assert 99_000 < lives[0] <= 100_000
        # The claim outlives it by a day: a session may live on without a put.
        assert 86_499_000 < lives[1] <= 86_500_000
        await store.put(claim, b"state", time.time() - 1.0)
        await raw.aclose()
        await store.close()


@on_a_loop
async def test_a_password_that_is_asked_for_is_named_and_one_that_is_given_is_not_told():
    with redis_server() as server:
        server.stop()
        server.start("--requirepass", "right")
        for credentials in ("", ":wrong@"):
            store = RedisStore(server.url.replace("//", f"//{credentials}"))
            with pytest.raises(StoreUnavailable) as refusal:
                await store.get("s")
            assert "wrong@" not in refusal.value.message
            await store.close()


def test_an_address_that_is_none_is_refused_without_its_password():
    with pytest.raises(InvalidSettings, match="CAROUSEL_SESSION_STORE") as refusal:
        RedisStore("redis://:secret@host:6379/0?socket_timeout=never")
    assert "secret" not in refusal.value.message
