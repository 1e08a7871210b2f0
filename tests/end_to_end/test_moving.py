"""Two servers over one store: a stream goes on wherever its next step is sent, each step once."""

from __future__ import annotations

import asyncio
import random
import signal

import httpx
import numpy as np
import pytest
from carousel_process import CarouselProcess
from on_a_loop import on_a_loop
from plain_http import NO_TLS
from redis_server import needs_redis, redis_server
from serving import serving

from service.errors import ClaimLost, InvalidSettings

SESSIONS = "/v2/models/letters/sessions"
SYMBOLS = "abcdefgh"


@pytest.fixture(scope="module")
def redis():
    with redis_server() as server:
        yield server


async def whole_answer(server, text: str) -> np.ndarray:
    answer = await server.post("/predict/letters", json={"sequence": text, "include_outputs": True})
    return np.asarray(answer.json()["predictions"][0]["output"])


async def step(server, name: str, number: int, symbol: str) -> np.ndarray:
    """Its output; sent again while the session is on its way from one server to the other."""
    body = {"sequence": symbol, "step": number, "include_outputs": True}
    for _ in range(20):
        answer = await server.post(f"{SESSIONS}/{name}/steps", json=body)
        if answer.status_code != ClaimLost.http_status:
            break
    assert answer.status_code == 200, answer.text
    assert answer.json()["step"] == number
    return np.asarray(answer.json()["predictions"][0]["output"])


@pytest.mark.parametrize(("kind", "save_s"), [("folder", 0.5), pytest.param("redis", 0, marks=needs_redis)])
def test_streams_step_on_two_servers_in_turn_and_at_once(published, tmp_path, redis, kind, save_s):
    store = {"session_store": redis.url if kind == "redis" else f"dir:{tmp_path}", "session_save_s": save_s}
    chance = random.Random(3)

    async def stream(servers, name: str) -> None:
        text = "".join(chance.choices(SYMBOLS, k=12))
        assert (await servers[0].post(SESSIONS, json={"id": name})).status_code == 201
        outputs = []
        for number, symbol in enumerate(text, start=1):
            # Both are sent the step, or one: it runs once, and both answer the same.
            asked = chance.choice([servers[:1], servers[1:], servers])
            answers = await asyncio.gather(*(step(server, name, number, symbol) for server in asked))
            np.testing.assert_array_equal(answers[0], answers[-1])
            outputs.append(answers[0][0])
        np.testing.assert_allclose(outputs, await whole_answer(servers[0], text), atol=1e-5)

    @on_a_loop
    async def move():
        async with serving(published, **store) as one, serving(published, **store) as other:
            await asyncio.gather(*(stream([one, other], f"{kind} {save_s} {number}") for number in range(8)))
            for name in (f"{kind} {save_s} {number}" for number in range(8)):
                server = chance.choice([one, other])
                assert (await server.delete(f"{SESSIONS}/{name}")).status_code == 204
                for each in (one, other):
                    assert (await each.get(f"{SESSIONS}/{name}")).status_code in {404, 410}

    move()


def test_sessions_that_are_to_be_saved_need_a_store(published):
    @on_a_loop
    async def start():
        with pytest.raises(InvalidSettings, match="CAROUSEL_SESSION_SAVE_S: needs a CAROUSEL_SESSION_STORE"):
            async with serving(published, session_store=None, session_save_s=0):
                pass

    start()


@needs_redis
def test_when_one_of_two_servers_is_killed_the_other_goes_on_with_every_stream(published, redis):
    store = {"session_store": redis.url, "session_save_s": "0"}
    chance = random.Random(5)
    died = asyncio.Event()

    async def stream(servers, name: str, seen: asyncio.Semaphore) -> None:
        text = "".join(chance.choices(SYMBOLS, k=10))
        assert (await servers[0].post(SESSIONS, json={"id": name})).status_code == 201
        outputs = []
        for number, symbol in enumerate(text, start=1):
            server = servers[1] if died.is_set() else chance.choice(servers)
            try:
                output = await step(server, name, number, symbol)
            except httpx.TransportError:
                # Killed: it was run or not, and is asked for again.
                output = await step(servers[1], name, number, symbol)
            outputs.append(output[0])
            seen.release()
        np.testing.assert_allclose(outputs, await whole_answer(servers[1], text), atol=1e-5)

    @on_a_loop
    async def kill():
        seen = asyncio.Semaphore(0)
        with CarouselProcess(published, grpc_port="none", **store) as process:
            async with (
                serving(published, session_store=redis.url, session_save_s=0) as other,
                httpx.AsyncClient(base_url=process.address, verify=NO_TLS) as killed,
            ):
                streams = [asyncio.create_task(stream([killed, other], f"k{n}", seen)) for n in range(8)]
                for _ in range(35):
                    await seen.acquire()
                died.set()
                process.process.send_signal(signal.SIGKILL)
                await asyncio.gather(*streams)
            assert process.wait() == -signal.SIGKILL

    kill()
