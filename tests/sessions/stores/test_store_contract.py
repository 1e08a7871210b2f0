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
    await store.put(claim, snapshot, _in_an_hour())


_MOVES = ["beat", "claim", "renew", "put", "take", "delete", "release", "depart", "lapse"]


async def _ids(store) -> set[str]:
    return {session_id async for session_id in store.ids()}


@given(session_id=st.text(min_size=1, max_size=60), snapshot=st.binary(max_size=300))
@examples(25)
@on_a_loop
async def test_what_one_server_puts_another_gets_under_any_id(opened, session_id, snapshot):
    async with opened() as stores:
        one, other = stores.clients
        await _put(one, await one.claim(session_id, "one"), snapshot)
        assert await other.get(session_id) == snapshot
        assert await _ids(other) == {session_id}


@on_a_loop
async def test_ids_that_look_alike_are_kept_apart(opened):
    alike = ["a", "A", "a ", "a/../a", "a\x00", "a*", "{a}", "a:snapshot", "%61", "é", "e\u0301", "." * 255]
    async with opened() as stores:
        one, _ = stores.clients
        for session_id in alike:
            await _put(one, await one.claim(session_id, "one"), session_id.encode())
        assert [await one.get(session_id) for session_id in alike] == [name.encode() for name in alike]
        assert await _ids(one) == set(alike)


@pytest.mark.parametrize("session_id", ["", "x" * 1025, "é" * 513, "\ud800"])
def test_an_id_that_cannot_be_kept_is_refused(opened, session_id):
    @on_a_loop
    async def ask():
        async with opened() as stores:
            with pytest.raises(InvalidRequest, match="expected 1 to 1024 bytes"):
                await stores.clients[0].claim(session_id, "one")
            assert await stores.clients[0].get(session_id) is None

    ask()


@on_a_loop
async def test_hundreds_are_put_at_once(opened):
    async def put(store, session_id):
        await _put(store, await store.claim(session_id, "one"), session_id.encode())

    async with opened() as stores:
        names = [str(number) for number in range(200)]
        await asyncio.gather(*(put(stores.clients[0], name) for name in names))
        assert await _ids(stores.clients[1]) == set(names)


@on_a_loop
async def test_a_session_that_is_unknown_expired_or_deleted_is_not_there(opened):
    async with opened() as stores:
        one, _ = stores.clients
        assert await one.get("s") is None
        claim = await one.claim("s", "one")
        await _put(one, claim, b"1")
        await stores.forget("s")
        assert await one.get("s") is None
        assert await _ids(one) == set()
        claim = await one.claim("s", "one")
        await one.put(claim, b"2", time.time() + 5000.0)
        await one.delete(claim)
        assert await one.get("s") is None
        with pytest.raises(ClaimLost):
            await one.take(claim)


@on_a_loop
async def test_while_its_owner_is_there_nobody_else_gets_a_claim(opened):
    async with opened() as stores:
        one, other = stores.clients
        await one.beat("one", LEASE_S)
        claim = await one.claim("s", "one")
        with pytest.raises(ClaimLost, match=r"session s: runs on one, for another (29|30)\.\d s"):
            await other.claim("s", "other")
        await one.release(claim)
        await _put(other, await other.claim("s", "other"), b"1")


@on_a_loop
async def test_an_owner_that_departs_is_waited_for_no_longer(opened):
    async with opened() as stores:
        one, other = stores.clients
        await one.beat("one", LEASE_S)
        claims = [await one.claim(name, "one") for name in ("s", "t")]
        await one.depart("one")
        await _put(other, await other.claim("s", "other"), b"1")
        with pytest.raises(ClaimLost):
            await _put(one, claims[0], b"0")


@on_a_loop
async def test_who_asks_for_a_session_is_told_of_once_at_the_next_beat(opened):
    async with opened() as stores:
        one, other = stores.clients
        assert await one.beat("one", LEASE_S) == []
        for name in ("s", "\u00e9/ t"):
            await one.claim(name, "one")
            for is_asking in (True, False, True):
                with pytest.raises(ClaimLost):
                    await other.claim(name, "other", is_asking=is_asking)
        with pytest.raises(ClaimLost):
            await one.claim("s", "third")
        assert sorted(await one.beat("one", LEASE_S)) == ["s", "\u00e9/ t"]
        assert await one.beat("one", LEASE_S) == []


@on_a_loop
async def test_what_an_owner_was_asked_for_is_settled_when_it_claims_that_again(opened):
    """Else a session that has gone away and come back within a beat would be given up to nobody."""
    async with opened() as stores:
        one, other = stores.clients
        for store, owner in ((one, "one"), (other, "other")):
            await store.beat(owner, LEASE_S)
        claims = [await one.claim(name, "one") for name in ("s", "t")]
        for name in ("s", "t"):
            with pytest.raises(ClaimLost):
                await other.claim(name, "other", is_asking=True)
        await one.release(claims[0])
        await other.release(await other.claim("s", "other"))
        await one.claim("s", "one")
        assert await one.beat("one", LEASE_S) == ["t"]


@on_a_loop
async def test_who_has_lost_a_claim_changes_nothing_any_more(opened):
    async with opened() as stores:
        one, other = stores.clients
        await one.beat("one", LEASE_S)
        lost = await one.claim("s", "one")
        await stores.lapse()
        await other.beat("other", LEASE_S)
        await _put(other, await other.claim("s", "other"), b"newer")
        for change in (_put(one, lost, b"older"), one.renew(lost), one.take(lost), one.delete(lost)):
            with pytest.raises(ClaimLost, match="one has lost its claim"):
                await change
        await one.release(lost)
        with pytest.raises(ClaimLost, match="runs on other"):
            await one.claim("s", "one")
        assert await one.get("s") == b"newer"


@on_a_loop
async def test_a_claim_that_nobody_took_while_its_owner_was_silent_is_still_good(opened):
    async with opened() as stores:
        one, _ = stores.clients
        await one.beat("one", LEASE_S)
        claim = await one.claim("s", "one")
        await stores.lapse()
        await _put(one, claim, b"1")
        assert await one.get("s") == b"1"


@on_a_loop
async def test_after_a_renewal_what_is_put_with_the_claim_before_comes_too_late(opened):
    async with opened() as stores:
        one, _ = stores.clients
        before = await one.claim("s", "one")
        await one.renew(before)
        # Its answer was lost, and it is renewed again.
        claim = await one.renew(before)
        await _put(one, claim, b"new")
        with pytest.raises(ClaimLost):
            await _put(one, before, b"old")
        assert await one.get("s") == b"new"


@on_a_loop
async def test_a_server_that_starts_again_under_its_name_need_not_wait(opened):
    async with opened() as stores:
        one, other = stores.clients
        before = await one.claim("s", "one")
        await _put(other, await other.claim("s", "one"), b"1")
        with pytest.raises(ClaimLost):
            await _put(one, before, b"0")


@on_a_loop
async def test_of_many_who_come_at_once_one_claims_and_one_takes(opened):
    async with opened() as stores:
        one, other = stores.clients
        for number, store in enumerate((one, other) * 5):
            await store.beat(f"owner {number}", LEASE_S)
        claim = await one.claim("s", "x")
        await _put(one, claim, b"state")
        taken = await asyncio.gather(*(store.take(claim) for store in (one, other) * 5))
        assert sorted(taken, key=bool) == [None] * 9 + [b"state"]
        await one.release(claim)
        asked = [store.claim("s", f"owner {number}") for number, store in enumerate((one, other) * 5)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert sum(isinstance(answer, ClaimLost) for answer in answers) == 9


@given(moves=st.lists(st.tuples(st.integers(0, 1), st.sampled_from(_MOVES))))
@examples(40)
@on_a_loop
async def test_whatever_two_servers_do_only_the_last_to_claim_writes(opened, moves):
    async with opened() as stores:
        claims, there = [None, None], set()
        holder = kept = None
        for number, (me, move) in enumerate(moves):
            store, owner, may = stores.clients[me], f"server {me}", holder == me
            if move == "lapse":
                await stores.lapse()
                there.clear()
            elif move == "beat":
                await store.beat(owner, LEASE_S)
                there.add(me)
            elif move == "depart":
                await store.depart(owner)
                there.discard(me)
            elif move == "claim":
                may = holder in (None, me) or holder not in there
                claim = await _done(store.claim("s", owner), may=may)
                claims[me], holder = (claim, me) if may else (claims[me], holder)
            elif claims[me] is not None:
                new = b"%d" % number if move == "put" else None
                claims[me] = await _written(store, move, claims[me], new, may=may)
                kept = new if may and move in {"put", "take", "delete"} else kept
                holder = None if may and move in {"delete", "release"} else holder
            assert await store.get("s") == kept


async def _done(call, *, may):
    """What it returns, if it may; else it is refused."""
    if may:
        return await call
    with pytest.raises(ClaimLost):
        await call
    return None


async def _written(store, move, claim, new, *, may):
    """The claim after a move that only its holder may make."""
    if move == "release":
        await store.release(claim)
    elif move == "renew":
        return await _done(store.renew(claim), may=may) or claim
    elif move == "put":
        is_lasting = int(new) % 3 == 0
        await _done(store.put(claim, new, time.time() + 1e6, is_lasting=is_lasting), may=may)
    else:
        await _done(store.take(claim) if move == "take" else store.delete(claim), may=may)
    return claim
