"""What every store does: keep, forget, and let one server at a time run a session."""

from __future__ import annotations

import asyncio
import time
from functools import partial

import pytest
from drawn import examples
from hypothesis import given
from hypothesis import strategies as st
from on_a_loop import on_a_loop
from redis_server import needs_redis, redis_server
from snapshot_stores import LEASE_S, folder_stores, memory_stores, redis_stores

from service.errors import ClaimLost, InvalidRequest


@pytest.fixture(scope="module")
def redis():
    with redis_server() as server:
        yield server


@pytest.fixture(params=["memory", "folder", pytest.param("redis", marks=needs_redis)], scope="module")
def opened(request):
    if request.param == "redis":
        return partial(redis_stores, request.getfixturevalue("redis"))
    return {"memory": memory_stores, "folder": folder_stores}[request.param]


def _in_an_hour() -> float:
    return time.time() + 1000.0


async def _put(store, claim, snapshot) -> None:
    await store.put(claim, snapshot, _in_an_hour(), LEASE_S)


_MOVES = ["claim", "put", "take", "release", "lapse"]


async def _ids(store) -> set[str]:
    return {session_id async for session_id in store.ids()}


@given(session_id=st.text(min_size=1, max_size=60), snapshot=st.binary(max_size=300))
@examples(25)
@on_a_loop
async def test_what_one_server_puts_another_gets_under_any_id(opened, session_id, snapshot):
    async with opened() as stores:
        one, other = stores.clients
        await _put(one, await one.claim(session_id, "one", LEASE_S), snapshot)
        assert await other.get(session_id) == snapshot
        assert await _ids(other) == {session_id}


@on_a_loop
async def test_ids_that_look_alike_are_kept_apart(opened):
    alike = ["a", "A", "a ", "a/../a", "a\x00", "a*", "{a}", "a:snapshot", "%61", "é", "e\u0301", "." * 255]
    async with opened() as stores:
        one, _ = stores.clients
        for session_id in alike:
            await _put(one, await one.claim(session_id, "one", LEASE_S), session_id.encode())
        assert [await one.get(session_id) for session_id in alike] == [name.encode() for name in alike]
        assert await _ids(one) == set(alike)


@pytest.mark.parametrize("session_id", ["", "x" * 1025, "é" * 513, "\ud800"])
def test_an_id_that_cannot_be_kept_is_refused(opened, session_id):
    @on_a_loop
    async def ask():
        async with opened() as stores:
            with pytest.raises(InvalidRequest, match="expected 1 to 1024 bytes"):
                await stores.clients[0].claim(session_id, "one", LEASE_S)
            assert await stores.clients[0].get(session_id) is None

    ask()


@on_a_loop
async def test_hundreds_are_put_at_once(opened):
    async def put(store, session_id):
        await _put(store, await store.claim(session_id, "one", LEASE_S), session_id.encode())

    async with opened() as stores:
        names = [str(number) for number in range(200)]
        await asyncio.gather(*(put(stores.clients[0], name) for name in names))
        assert await _ids(stores.clients[1]) == set(names)


@on_a_loop
async def test_a_session_that_is_unknown_expired_or_deleted_is_not_there(opened):
    async with opened() as stores:
        one, _ = stores.clients
        assert await one.get("s") is None
        claim = await one.claim("s", "one", LEASE_S)
        await _put(one, claim, b"1")
        await stores.forget("s")
        assert await one.get("s") is None
        assert await _ids(one) == set()
        claim = await one.claim("s", "one", LEASE_S)
        await one.put(claim, b"2", time.time() + 5000.0, LEASE_S)
        await one.delete(claim)
        assert await one.get("s") is None
        assert await one.take(claim) is None


@on_a_loop
async def test_while_a_claim_lasts_nobody_else_gets_one(opened):
    async with opened() as stores:
        one, other = stores.clients
        claim = await one.claim("s", "one", LEASE_S)
        with pytest.raises(ClaimLost, match=r"session s: runs on one, for another (29|30)\.\d s"):
            await other.claim("s", "other", LEASE_S)
        await one.renew(claim, LEASE_S)
        await one.release(claim)
        await _put(other, await other.claim("s", "other", LEASE_S), b"1")


@on_a_loop
async def test_who_has_lost_a_claim_changes_nothing_any_more(opened):
    async with opened() as stores:
        one, other = stores.clients
        lost = await one.claim("s", "one", LEASE_S)
        await stores.lapse("s")
        await _put(other, await other.claim("s", "other", LEASE_S), b"newer")
        for change in (_put(one, lost, b"older"), one.renew(lost, LEASE_S), one.take(lost), one.delete(lost)):
            with pytest.raises(ClaimLost, match="one has lost its claim"):
                await change
        await one.release(lost)
        with pytest.raises(ClaimLost, match="runs on other"):
            await one.claim("s", "one", LEASE_S)
        assert await one.get("s") == b"newer"


@on_a_loop
async def test_a_claim_that_lapsed_is_lost_though_nobody_took_it(opened):
    async with opened() as stores:
        one, _ = stores.clients
        claim = await one.claim("s", "one", LEASE_S)
        await stores.lapse("s")
        with pytest.raises(ClaimLost):
            await _put(one, claim, b"1")


@on_a_loop
async def test_a_server_that_starts_again_under_its_name_need_not_wait(opened):
    async with opened() as stores:
        one, other = stores.clients
        before = await one.claim("s", "one", LEASE_S)
        await _put(other, await other.claim("s", "one", LEASE_S), b"1")
        with pytest.raises(ClaimLost):
            await _put(one, before, b"0")


@on_a_loop
async def test_of_many_who_come_at_once_one_claims_and_one_takes(opened):
    async with opened() as stores:
        one, other = stores.clients
        claim = await one.claim("s", "x", LEASE_S)
        await _put(one, claim, b"state")
        taken = await asyncio.gather(*(store.take(claim) for store in (one, other) * 5))
        assert sorted(taken, key=bool) == [None] * 9 + [b"state"]
        await one.release(claim)
        asked = [
            store.claim("s", f"owner {number}", LEASE_S) for number, store in enumerate((one, other) * 5)
        ]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert sum(isinstance(answer, ClaimLost) for answer in answers) == 9


@given(moves=st.lists(st.tuples(st.booleans(), st.sampled_from(_MOVES))))
@examples(40)
@on_a_loop
async def test_whatever_two_servers_do_only_the_last_to_claim_writes(opened, moves):
    async with opened() as stores:
        claims = [None, None]
        holder, kept, number = None, None, 0
        for is_other, move in moves:
            store, me, number = stores.clients[is_other], int(is_other), number + 1
            may = holder == me
            try:
                if move == "lapse":
                    holder = await stores.lapse("s")
                elif move == "claim":
                    may = holder in (None, me)
                    claims[me] = await store.claim("s", f"server {me}", LEASE_S)
                    holder = me
                elif claims[me] is None:
                    continue
                elif move == "put":
                    await store.put(claims[me], b"%d" % number, time.time() + 1e6, LEASE_S)
                    kept = b"%d" % number
                elif move == "take":
                    assert await store.take(claims[me]) == kept
                    kept = None
                else:
                    await store.release(claims[me])
                    holder = None if may else holder
                    continue
            except ClaimLost:
                assert not may
            else:
                assert may or move == "lapse"
            assert await store.get("s") == kept
