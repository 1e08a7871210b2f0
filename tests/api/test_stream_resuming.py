"""Streams that break, and clients that come back: every step counts once, and one client has the session."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from fakes import running_sum
from hypothesis import given, settings
from hypothesis import strategies as st
from live_server import LiveServer
from on_a_loop import on_a_loop
from stream_client import Client, connected, refusal, streaming

STEP = {"sequence": [[1, 2]]}
ACTIVE = {"model": "sums", "version": "1"}


@on_a_loop
async def test_a_session_that_may_not_be_resumed_ends_with_its_connection():
    async with LiveServer() as server:
        async with streaming(server, session="short") as (client, told):
            assert "token" not in told
            held = await server.memory.hold()
            await client.say("step", **STEP)
            client.cut()
        await server.until(lambda: server.memory.metric("sessions_active", **ACTIVE) == 0)
        assert server.memory.metric("sessions_closed_total", reason="disconnected", **ACTIVE) == 1
        server.memory.backends["sums"].gate.set()
        await held
        answer = await server.memory.client.get("/v2/models/sums/sessions/short")
        assert (answer.status_code, "disconnected" in answer.text) == (410, True)


@on_a_loop
async def test_a_client_with_the_token_goes_on_where_it_was():
    async with LiveServer() as server:
        async with streaming(server, session="long", resumable=True) as (client, told):
            await client.ask("step", **STEP)
        await server.until(lambda: server.memory.metric("streams_open") == 0)
        async with streaming(server, session="long", resume=told["token"]) as (client, again):
            assert (again["step"], again["token"]) == (1, told["token"])
            assert (await client.ask("step", **STEP))["outputs"] == [[2.0, 21.0]]
        async with connected(server, query=f"?session=long&resume={told['token']}") as client:
            assert (await client.hear())["step"] == 2
        # Between its streams it is anybody's who knows its id, as sessions are.
        await server.until(lambda: server.memory.metric("streams_open") == 0)
        assert (await server.memory.post("/v2/models/sums/sessions/long/steps", STEP)).json()["step"] == 3


@pytest.mark.parametrize("token", ["", "guess", "é", "x" * 32])
@on_a_loop
async def test_nobody_comes_in_without_the_token(token):
    async with LiveServer() as server, streaming(server, session="mine", resumable=True) as (client, _):
        await server.memory.post("/v2/models/sums/sessions", {"id": "rest"})
        for session in ("mine", "rest"):
            async with connected(server) as thief:
                told = await thief.ask("open", session=session, resume=token)
                assert (told["status"], told["code"], told["final"]) == (403, "resume_refused", True)
                assert await thief.closed() == (4403, "resume_refused")
        assert (await client.ask("step", **STEP))["step"] == 1


@on_a_loop
async def test_who_resumes_takes_over_and_the_step_that_ran_for_the_other_counts_for_nobody():
    async with LiveServer() as server, streaming(server, session="one", resumable=True) as (first, told):
        await first.ask("step", **STEP)
        held = await server.memory.hold()
        await first.say("step", step=2, sequence=[[100, 100]])
        await server.until(lambda: server.memory.metric("stream_messages_total", direction="in") == 3)
        async with streaming(server, session="one", resume=told["token"]) as (second, again):
            assert again["step"] == 1
            assert await first.hear() == {"type": "closed", "reason": "taken_over"}
            assert await first.closed() == (4409, "taken_over")
            server.memory.backends["sums"].gate.set()
            await held
            assert (await second.ask("step", step=2, **STEP))["outputs"] == [[2.0, 21.0]]
        assert server.memory.metric("streams_closed_total", code="4409", reason="taken_over") == 1


@on_a_loop
async def test_of_many_who_resume_at_once_one_has_the_session_and_all_others_are_told():
    async def come(server: LiveServer, token: str) -> Client | None:
        async with connected(server, query=f"?session=one&resume={token}") as client:
            await client.hear()
            told = await client.hear()
            assert told == {"type": "closed", "reason": "taken_over"}, told

    async with LiveServer() as server, streaming(server, session="one", resumable=True) as (_, told):
        losers = [asyncio.create_task(come(server, told["token"])) for _ in range(8)]
        await server.until(
            lambda: server.memory.metric("streams_closed_total", code="4409", reason="taken_over") == 8
        )
        async with streaming(server, session="one", resume=told["token"]) as (winner, _):
            await asyncio.gather(*losers)
            assert (await winner.ask("step", **STEP))["step"] == 1


@given(st.lists(st.integers(0, 3), min_size=1, max_size=6), st.booleans())
@settings(max_examples=10)
def test_wherever_the_connection_breaks_every_step_is_run_once(breaks, is_binary):
    """Each number says how many steps are sent ahead before the connection is cut, their answers unread."""
    sequence = np.arange(60, dtype=np.float32).reshape(-1, 2)

    async def send(client: Client, step: int) -> None:
        if is_binary:
            await client.say_binary(sequence[step - 1 : step], step=step)
        else:
            await client.say("step", step=step, sequence=sequence[step - 1 : step].tolist())

    @on_a_loop
    async def scenario():
        async with LiveServer() as server:
            async with streaming(server, session="frail", resumable=True) as (client, told):
                client.cut()
            for ahead in breaks:
                query = f"?session=frail&resume={told['token']}"
                async with connected(server, query=query) as client:
                    reached = (await client.hear())["step"]
                    for step in range(reached + 1, reached + 1 + ahead):
                        await send(client, step)
                    client.cut()
            async with streaming(server, session="frail", resume=told["token"]) as (client, again):
                await send(client, again["step"] + 1)
                said = (
                    (await client.hear_binary()).outputs[0][0]
                    if is_binary
                    else (await client.hear())["outputs"][0]
                )
            np.testing.assert_array_equal(said, running_sum(sequence[: again["step"] + 1])[-1])

    scenario()


@on_a_loop
async def test_a_resumable_session_waits_as_long_as_it_may_be_idle():
    async with LiveServer() as server:
        async with streaming(server, session="late", resumable=True, idle_s=60) as (client, told):
            server.memory.clock.skipped_s += 50
        await server.until(lambda: server.memory.metric("streams_open") == 0)
        server.memory.clock.skipped_s += 59
        sessions = server.memory.carousel.registry.find("sums").sessions
        sessions.sweep()
        assert "late" in sessions
        server.memory.clock.skipped_s += 2
        sessions.sweep()
        async with connected(server) as client:
            gone = await client.ask("open", session="late", resume=told["token"])
            assert (gone["status"], "idle" in gone["message"]) == (410, True)


@on_a_loop
async def test_a_server_that_stops_answers_what_has_come_and_keeps_what_may_be_resumed():
    async with LiveServer() as server:
        carousel = server.memory.carousel
        async with (
            streaming(server, session="kept", resumable=True) as (kept, _),
            streaming(server) as (lost, _),
        ):
            held = await server.memory.hold()
            for client in (kept, lost):
                await client.say("step", **STEP)
                await client.say("step", **STEP)
            await server.until(lambda: server.memory.metric("stream_messages_total", direction="in") == 6)
            stop = asyncio.create_task(carousel.streams.stop())
            await server.breathe()
            assert not stop.done()
            server.memory.backends["sums"].gate.set()
            await held
            await stop
            for client in (kept, lost):
                said = [await client.hear() for _ in range(3)]
                assert [each.get("step") for each in said] == [1, 2, None]
                assert said[2] == {"type": "closed", "reason": "going_away"}
                assert await client.closed() == (1012, "going_away")
        sessions = carousel.registry.find("sums").sessions
        assert [session.id for session in sessions] == ["kept"]
        assert sessions.find("kept").resume_digest is not None
        assert server.memory.metric("sessions_closed_total", reason="going_away", **ACTIVE) == 1
        assert (await refusal(server)).status == 503


@on_a_loop
async def test_a_step_that_would_hold_up_the_end_is_given_up_and_counts_for_nobody():
    async with (
        LiveServer(default_timeout_s=0.05) as server,
        streaming(server, session="kept", resumable=True) as (client, _),
    ):
        server.memory.backends["sums"].gate.clear()
        await client.say("step", timeout_ms=60_000, **STEP)
        await server.until(lambda: server.memory.metric("stream_messages_total", direction="in") == 2)
        await server.memory.carousel.streams.stop()
        assert await client.hear() == {"type": "closed", "reason": "going_away"}
        assert await client.closed() == (1012, "going_away")
        assert server.memory.carousel.registry.find("sums").sessions.find("kept").step == 0
