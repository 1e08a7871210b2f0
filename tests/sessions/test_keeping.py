"""Sessions that a store has while they run: no acknowledged step is lost, and none counts twice."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from bench import all_due
from drawn import examples
from fakes import running_sum
from faulty_store import FaultyStore
from hypothesis import given
from hypothesis import strategies as st
from kept_server import KeptServer, both
from on_a_loop import on_a_loop
from session_bench import SessionBench

from service.errors import ClaimLost, SessionAway, SessionExists, SessionGone, StoreUnavailable
from service.sessions.handover import hand_over

AHEAD, BEHIND = 0.0, 0.5
_REFUSALS = (StoreUnavailable, ClaimLost, SessionAway)
_MOVES = [
    "step",
    "step",
    "step",
    "again",
    "both",
    "beat",
    "flush",
    "before",
    "after",
    "reload",
    "crash",
    "lapse",
]
_WHOLE = np.random.default_rng(4).integers(-4, 5, size=(200, 2)).astype(np.float32)
_DUE = running_sum(_WHOLE)


class Client:
    """One stream on two servers; two steps a request, sent again until it is answered."""

    def __init__(self, save_s: float) -> None:
        self.store = FaultyStore()
        self.save_s = save_s
        self.servers = [KeptServer(self.store, save_s) for _ in range(2)]
        self.answered = 0

    async def begin(self) -> None:
        await self.servers[0].open("talk")

    async def ask(self, server: int, number: int) -> bool:
        """Whether it was answered, and then rightly."""
        part = slice(2 * number - 2, 2 * number)
        try:
            output = await self.servers[server].step("talk", number, _WHOLE[part])
        except _REFUSALS:
            return False
        np.testing.assert_array_equal(output, _DUE[part])
        return True

    async def make(self, server: int, move: str) -> None:
        if move == "step":
            self.answered += await self.ask(server, self.answered + 1)
        elif move == "again" and self.answered:
            await self.ask(server, self.answered)
        elif move == "both":
            answers = await both(*(self.ask(each, self.answered + 1) for each in (0, 1)))
            assert all(type(answer) is bool for answer in answers), answers
            self.answered += any(answers)
        elif move == "beat":
            await self.servers[server].beat()
        elif move == "flush":
            await self.servers[server].flush()
        elif move in {"before", "after"}:
            self.store.faults.append(move)
        elif move == "reload":
            self.servers[server].reload()
        elif move == "crash":
            self.servers[server] = KeptServer(self.store, self.save_s)
        elif move == "lapse":
            self.store.lapse()

    async def end(self) -> None:
        """All is well again, and the stream goes on wherever."""
        self.store.faults.clear()
        for server in (0, 1, 0):
            due = self.answered + 1
            for _ in range(4):
                self.answered += await self.ask(server, due) if self.answered < due else 0
                await self.servers[0].beat()
                await self.servers[1].beat()
            assert self.answered == due
        for server in self.servers:
            await server.settle()
            assert server.bench.batcher.slots.in_use == len(server.sessions)


@given(moves=st.lists(st.tuples(st.integers(0, 1), st.sampled_from(_MOVES)), max_size=40))
@examples(80)
@on_a_loop
async def test_whatever_fails_no_acknowledged_step_is_lost_and_none_counts_twice(moves):
    client = Client(AHEAD)
    await client.begin()
    for server, move in moves:
        await client.make(server, move)
    # Those that crashed are not waited for.
    client.store.lapse()
    await client.end()


@given(moves=st.lists(st.tuples(st.integers(0, 1), st.sampled_from(_MOVES[:-2])), max_size=40))
@examples(50)
@on_a_loop
async def test_in_the_background_too_as_long_as_no_server_dies(moves):
    client = Client(BEHIND)
    for server in client.servers:
        await server.beat()
    await client.begin()
    for server, move in moves:
        await client.make(server, move)
    await client.end()


def _part(number: int) -> slice:
    return slice(2 * number - 2, 2 * number)


async def _begun(save_s: float, steps: int = 1) -> tuple[FaultyStore, KeptServer]:
    """A server that is there, with a session that has come so far."""
    store = FaultyStore()
    server = KeptServer(store, save_s)
    await server.beat()
    await server.open("talk")
    for number in range(1, steps + 1):
        await server.step("talk", number, _WHOLE[_part(number)])
    return store, server


async def _another(store: FaultyStore, save_s: float = AHEAD) -> KeptServer:
    """One that is there when the others have not been heard of for long."""
    store.lapse()
    server = KeptServer(store, save_s)
    await server.beat()
    return server


@pytest.mark.parametrize("fault", ["before", "after"])
@on_a_loop
async def test_a_step_that_the_store_does_not_take_is_refused_and_leaves_the_session_where_it_was(fault):
    store, server = await _begun(AHEAD)
    store.faults.append(fault)
    with pytest.raises(StoreUnavailable):
        await server.step("talk", 2, _WHOLE[_part(2)])
    session = server.sessions.find("talk")
    assert (session.step, server.metric("session_store_failures_total", operation="save")) == (1, 1)
    # Another step than the one before, since that does not count.
    output = await server.step("talk", 2, _WHOLE[_part(2)] + 1)
    np.testing.assert_array_equal(output, running_sum(np.concatenate([_WHOLE[:2], _WHOLE[2:4] + 1]))[2:])
    after = await _another(store)
    np.testing.assert_array_equal(await after.step("talk", 2, _WHOLE[_part(2)]), output)


@on_a_loop
async def test_a_step_that_is_answered_again_is_not_saved_again():
    store, server = await _begun(AHEAD)
    puts = store.calls["put"]
    await server.step("talk", 1, _WHOLE[_part(1)])
    await server.flush()
    assert store.calls["put"] == puts == server.metric("session_save_seconds_count")


@on_a_loop
async def test_in_the_background_a_store_that_fails_refuses_nothing_and_is_tried_again():
    store, server = await _begun(BEHIND)
    store.faults += ["before"]
    await server.flush()
    assert server.metric("session_store_failures_total", operation="save") == 1
    assert server.metric("sessions_unsaved") == 1
    np.testing.assert_array_equal(await server.step("talk", 2, _WHOLE[_part(2)]), _DUE[_part(2)])
    await server.flush()
    assert server.metric("sessions_unsaved") == 0
    after = await _another(store)
    np.testing.assert_array_equal(await after.step("talk", 3, _WHOLE[_part(3)]), _DUE[_part(3)])


@on_a_loop
async def test_a_session_whose_step_is_running_is_saved_as_soon_as_that_is_committed():
    store, server = await _begun(BEHIND)
    running = server.bench.ask(server.sessions.find("talk"), _WHOLE[_part(2)])
    await all_due()
    puts = store.calls["put"]
    await server.flush()
    assert store.calls["put"] == puts
    await server.bench.drain()
    await running
    await server.settle()
    assert store.calls["put"] == puts + 1
    after = await _another(store)
    np.testing.assert_array_equal(await after.step("talk", 3, _WHOLE[_part(3)]), _DUE[_part(3)])


@on_a_loop
async def test_a_server_that_has_lost_its_claim_refuses_the_step_and_reads_the_session_anew():
    store, server = await _begun(AHEAD)
    other = await _another(store)
    await other.step("talk", 2, _WHOLE[_part(2)])
    with pytest.raises(ClaimLost, match="has lost its claim"):
        await server.step("talk", 2, _WHOLE[_part(2)] + 1)
    assert (len(server.sessions), server.bench.batcher.slots.in_use) == (0, 0)
    store.lapse()
    np.testing.assert_array_equal(await server.step("talk", 3, _WHOLE[_part(3)]), _DUE[_part(3)])


@pytest.mark.parametrize("save_s", [AHEAD, BEHIND])
@on_a_loop
async def test_who_is_asked_for_a_session_gives_it_up_after_the_step_that_is_running(save_s):
    store, server = await _begun(save_s)
    other = KeptServer(store, save_s)
    await other.beat()
    session = server.sessions.find("talk")
    running, waiting = (server.bench.ask(session, _WHOLE[_part(number)]) for number in (2, 3))
    await all_due()
    with pytest.raises(ClaimLost, match="runs on carousel-"):
        await other.step("talk", 2, _WHOLE[_part(2)])
    giving_up = asyncio.create_task(server.beat())
    await all_due()
    assert not giving_up.done()
    await server.bench.drain()
    await giving_up
    outputs = [answers[0].output for _, answers in await asyncio.gather(running, waiting)]
    np.testing.assert_array_equal(np.concatenate(outputs), _DUE[2:6])
    assert len(server.sessions) == 0
    with pytest.raises(SessionAway, match="goes on elsewhere"):
        await server.bench.answers(session, _WHOLE[_part(4)])
    np.testing.assert_array_equal(await other.step("talk", 4, _WHOLE[_part(4)]), _DUE[_part(4)])


@on_a_loop
async def test_a_caller_who_leaves_while_its_step_is_saved_leaves_the_session_where_it_was():
    store, server = await _begun(AHEAD)
    put, is_putting = store.put, asyncio.Event()

    async def silent(*args, **options):
        is_putting.set()
        await asyncio.Event().wait()

    store.put = silent
    session = server.sessions.find("talk")
    asked = server.bench.ask(session, _WHOLE[_part(2)])
    await server.bench.drain()
    await is_putting.wait()
    asked.cancel()
    await asyncio.wait([asked])
    store.put = put
    assert session.step == 1
    np.testing.assert_array_equal(await server.step("talk", 2, _WHOLE[_part(2)]), _DUE[_part(2)])


@on_a_loop
async def test_a_session_that_ends_is_forgotten_by_the_store_as_soon_as_that_answers():
    store, server = await _begun(AHEAD)
    store.faults.append("before")
    server.sessions.close("talk")
    await server.settle()
    assert [key async for key in store.ids()] == ["sums/talk"]
    await server.persistence.resume(server.sessions, "talk")
    with pytest.raises(SessionGone):
        server.sessions.find("talk")
    # What is opened in its place is not taken for it.
    await server.open("talk")
    await server.step("talk", 1, _WHOLE[_part(1)])
    await server.flush()
    await server.settle()
    assert [key async for key in store.ids()] == ["sums/talk"]
    server.sessions.close("talk")
    await server.persistence.ended(server.sessions, "talk")
    assert [key async for key in store.ids()] == []


@on_a_loop
async def test_an_id_that_is_in_use_on_another_server_is_not_opened_twice():
    store, server = await _begun(AHEAD)
    other = KeptServer(store, AHEAD)
    with pytest.raises(SessionExists):
        await other.open("talk")
    assert other.bench.batcher.slots.in_use == 0
    np.testing.assert_array_equal(await server.step("talk", 2, _WHOLE[_part(2)]), _DUE[_part(2)])
    after = await _another(store)
    with pytest.raises(SessionExists):
        await after.open("talk")
    np.testing.assert_array_equal(await after.step("talk", 3, _WHOLE[_part(3)]), _DUE[_part(3)])


@on_a_loop
async def test_a_session_that_goes_on_in_another_version_is_kept_there():
    store, server = await _begun(AHEAD)
    newer = SessionBench()
    newer.sessions._unix_now = store._now
    hand_over(server.sessions, newer.sessions)
    session = newer.sessions.find("talk")
    await newer.answers(session, _WHOLE[_part(2)])
    after = await _another(store)
    np.testing.assert_array_equal(await after.step("talk", 3, _WHOLE[_part(3)]), _DUE[_part(3)])
    with pytest.raises(ClaimLost):
        await newer.answers(session, _WHOLE[_part(3)])


@on_a_loop
async def test_at_the_end_all_is_saved_and_nobody_waits_for_a_lease():
    store, server = await _begun(BEHIND)
    await server.persistence.save([server.sessions])
    store.close = all_due
    await server.persistence.close()
    other = KeptServer(store, AHEAD)
    await other.beat()
    np.testing.assert_array_equal(await other.step("talk", 2, _WHOLE[_part(2)]), _DUE[_part(2)])
