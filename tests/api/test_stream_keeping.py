"""Streams whose sessions a store has while they run, on one server and on two."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest
from bench import all_due
from faulty_store import FaultyStore
from live_server import LiveServer
from memory_server import MemoryServer
from on_a_loop import on_a_loop
from stream_client import connected, streaming

from service.api.stream_messages import Opening
from service.api.stream_opening import held
from service.domain.inference import InferRequest, StreamStep
from service.errors import SessionGone
from service.sessions.persistence import Persistence
from service.telemetry.metrics import SaveMetrics

INFER = {"inputs": [{"name": "sequence", "datatype": "FP32", "shape": [1, 1, 2], "data": [1, 2]}]}
STEP = {"sequence": [[1, 2]]}
SUM = np.ones((1, 2), np.float32)
ACTIVE = {"model": "sums", "version": "1"}


def keeping(server: MemoryServer, store: FaultyStore) -> Persistence:
    """Its upkeep is for the test to do."""
    persistence = Persistence(store, SaveMetrics(server.carousel.metrics), 0.0, longest_wait_s=0.0)
    server.carousel.predictor.persistence = persistence
    return persistence


@asynccontextmanager
async def kept_server(store: FaultyStore) -> AsyncIterator[tuple[LiveServer, Persistence]]:
    async with LiveServer() as server:
        persistence = keeping(server.memory, store)
        await persistence.upkeep.beat()
        yield server, persistence


async def settled(persistence: Persistence) -> None:
    await persistence._turns.all_ended(10.0)


@on_a_loop
async def test_a_stream_whose_session_the_store_does_not_take_is_refused_and_leaves_nothing():
    store = FaultyStore()
    async with kept_server(store) as (server, persistence), connected(server) as client:
        put = store.put

        async def away(*args, **options):
            store.faults.append("before")
            await put(*args, **options)

        store.put = away
        told = await client.ask("open", session="talk", resumable=True)
        assert (told["status"], told["code"], told["final"]) == (503, "session_store", True)
        assert await client.closed() == (4503, "session_store")
        store.put = put
        await settled(persistence)
        assert server.memory.metric("sessions_active", **ACTIVE) == 0
        async with streaming(server, session="talk", resumable=True) as (_, again):
            assert again["step"] == 0


@on_a_loop
async def test_who_says_close_is_told_once_the_store_has_forgotten_the_session():
    store = FaultyStore()
    async with (
        kept_server(store) as (server, _),
        streaming(server, session="talk", resumable=True) as (client, _),
    ):
        await client.ask("step", **STEP)
        delete, is_asked, may_go_on = store.delete, asyncio.Event(), asyncio.Event()

        async def slow(claim):
            is_asked.set()
            await may_go_on.wait()
            await delete(claim)

        store.delete = slow
        await client.say("close")
        await is_asked.wait()
        hearing = asyncio.create_task(client.hear())
        # Whatever was said before this is there by now.
        await server.ask(b"GET /v2/health/live HTTP/1.1\r\nHost: carousel\r\n\r\n")
        assert not hearing.done()
        may_go_on.set()
        assert await hearing == {"type": "closed", "reason": "closed"}
        assert [key async for key in store.ids()] == []


@on_a_loop
async def test_a_stream_whose_session_another_server_was_asked_for_is_told_so_and_may_come_back():
    store = FaultyStore()
    async with (
        kept_server(store) as (one, its),
        kept_server(store) as (other, others),
        streaming(one, session="talk", resumable=True) as (client, told),
    ):
        await client.ask("step", **STEP)
        looked = await other.memory.client.get("/v2/models/sums/sessions/talk")
        assert looked.status_code == 409
        await its.upkeep.beat()
        assert await client.hear() == {"type": "closed", "reason": "moved_away"}
        assert await client.closed() == (4409, "moved_away")
        await settled(its)
        async with streaming(other, session="talk", resume=told["token"]) as (back, again):
            assert (again["step"], (await back.ask("step", **STEP))["step"]) == (1, 2)
        await settled(others)


@on_a_loop
async def test_an_opening_elsewhere_under_its_id_does_not_disturb_a_stream():
    store = FaultyStore()
    async with (
        kept_server(store) as (one, its),
        kept_server(store) as (other, _),
        streaming(one, session="talk", resumable=True) as (client, _),
    ):
        await client.ask("step", **STEP)
        for terms in ({}, {"resumable": True}):
            async with connected(other) as second:
                told = await second.ask("open", session="talk", **terms)
                assert (told["status"], told["final"]) == (409, True)
        opened = await other.memory.post("/v2/models/sums/sessions", {"id": "talk"})
        started = await other.memory.post(
            "/v2/models/sums/infer", INFER | {"parameters": {"sequence_id": "talk", "sequence_start": True}}
        )
        assert (opened.status_code, started.status_code) == (409, 409)
        await its.upkeep.beat()
        await settled(its)
        assert (await client.ask("step", **STEP))["step"] == 2


@on_a_loop
async def test_a_session_that_its_client_has_left_waits_as_long_in_the_store_as_here():
    store = FaultyStore()
    async with kept_server(store) as (server, persistence):
        async with streaming(server, session="talk", resumable=True, idle_s=60):
            server.memory.clock.skipped_s += 50
        await server.until(lambda: server.memory.metric("streams_open") == 0)
        server.memory.clock.skipped_s += 5
        await persistence.upkeep.keeping.flush()
        session = server.memory.carousel.registry.find("sums").sessions.find("talk")
        _, expires_s = store._snapshots["sums/talk"]
        assert expires_s - store._now() == pytest.approx(
            session.expires_s() - server.memory.clock.now(), abs=1
        )


@on_a_loop
async def test_a_session_that_is_being_opened_ends_with_a_client_that_leaves():
    async with MemoryServer() as server:
        predictor, backend = server.carousel.predictor, server.backends["sums"]
        sessions = server.carousel.registry.find("sums").sessions
        store, may_go_on = FaultyStore(), asyncio.Event()
        put = store.put

        async def slow(*args, **options):
            await may_go_on.wait()
            await put(*args, **options)

        store.put = slow
        persistence = keeping(server, store)
        opening = asyncio.create_task(
            held(predictor, "sums", Opening("talk", is_resumable=True), pytest.fail)
        )
        while "talk" not in sessions:
            await all_due()
        # Somebody else's step comes between the store and the stream.
        backend.gate.clear()
        step = InferRequest("sums", [SUM], stream=StreamStep("talk"))
        other = asyncio.create_task(predictor.infer(step))
        await all_due()
        may_go_on.set()
        assert await asyncio.to_thread(backend.entered.acquire, timeout=10)
        opening.cancel()
        await asyncio.wait([opening])
        assert "talk" not in sessions
        backend.gate.set()
        with pytest.raises(SessionGone, match="failed"):
            await other
        await settled(persistence)
        assert [key async for key in store.ids()] == []
