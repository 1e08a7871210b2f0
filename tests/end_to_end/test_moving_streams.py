"""A WebSocket's stream between two servers over one Redis: its client comes with its token to the other."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx
import numpy as np
import pytest
import websockets
from carousel_process import CarouselProcess
from live_bundles import live_bundles
from on_a_loop import on_a_loop
from plain_http import NO_TLS
from redis_server import needs_redis, redis_server
from stream_client import Client

SYMBOLS = 8
STREAMS = 8
STEPS = 12
CLAIMING = {"claim_lost", "session_away"}
# How it feels when a server is killed, at whichever point.
KILLED = (OSError, EOFError, websockets.ConnectionClosed, websockets.InvalidMessage)


@pytest.fixture(scope="module")
def redis():
    with redis_server() as server:
        yield server


class Wanderer:
    """A client of one stream, symbol by symbol; what it is told to it compares with the whole."""

    def __init__(self, name: str, chance: random.Random) -> None:
        self.name = name
        self.symbols = np.array(chance.choices(range(SYMBOLS), k=STEPS), np.int32)
        self.outputs: list[np.ndarray] = []
        self.token = ""
        self.answered = asyncio.Event()

    @asynccontextmanager
    async def connected(self, address: str) -> AsyncIterator[Client]:
        """A stream of its session, which it opens if there is none; asked again while that is claimed."""
        url = f"{address}/v2/models/letters/stream"
        terms = {"resume": self.token} if self.token else {"resumable": True}
        for _ in range(20):
            async with websockets.connect(url, compression=None, ping_interval=None) as socket:
                client = Client(socket)
                told = await client.ask("open", session=self.name, **terms)
                if told["type"] == "opened":
                    self.token = told["token"]
                    # Never behind what was answered; the step that was under way may have run.
                    assert told["step"] - len(self.outputs) in {0, 1}
                    yield client
                    return
                assert told["code"] in CLAIMING, told
        raise AssertionError(told)

    async def go_on(self, client: Client, until: int) -> None:
        """In turn in bytes and in JSON."""
        for number in range(len(self.outputs) + 1, until + 1):
            symbol = self.symbols[number - 1 : number]
            if number % 2:
                await client.say_binary(symbol, step=number)
                answer = await client.hear_binary(width=SYMBOLS)
                step, output = answer.step, answer.outputs[0]
            else:
                told = await client.ask("step", sequence=symbol.tolist(), step=number)
                assert told["type"] == "output", told
                step, output = told["step"], np.array(told["outputs"][0], np.float32)
            assert step == number
            self.outputs.append(output[0])
            self.answered.set()

    async def check(self, address: str) -> None:
        async with httpx.AsyncClient(base_url=address.replace("ws", "http", 1), verify=NO_TLS) as server:
            body = {"sequence": self.symbols.tolist(), "include_outputs": True}
            whole = (await server.post("/predict/letters", json=body)).json()["predictions"][0]["output"]
        np.testing.assert_allclose(self.outputs, whole, atol=1e-5)


@needs_redis
@pytest.mark.parametrize("save_s", [0, 0.2])
def test_streams_go_from_server_to_server_and_back_while_they_run(published, redis, save_s):
    settings = {"session_store": redis.url, "session_save_s": save_s}
    chance = random.Random(7)

    async def wander(number: int, addresses: list[str]) -> None:
        wanderer = Wanderer(f"w{save_s}-{number}", chance)
        stays = [*sorted(chance.sample(range(1, STEPS), 2)), STEPS]
        for turn, until in enumerate(stays):
            async with wanderer.connected(addresses[(number + turn) % 2]) as client:
                await wanderer.go_on(client, until)
        await wanderer.check(addresses[0])

    @on_a_loop
    async def move():
        async with live_bundles(published, **settings) as one, live_bundles(published, **settings) as other:
            await asyncio.gather(*(wander(number, [one.ws, other.ws]) for number in range(STREAMS)))

    move()


@needs_redis
def test_a_stream_is_taken_over_by_its_token_at_another_server_while_it_is_open(published, redis):
    settings = {"session_store": redis.url, "session_save_s": 0}

    @on_a_loop
    async def move():
        wanderer = Wanderer("taken", random.Random(8))
        async with live_bundles(published, **settings) as one, live_bundles(published, **settings) as other:
            async with wanderer.connected(one.ws) as before:
                await wanderer.go_on(before, 5)
                async with wanderer.connected(other.ws) as after:
                    await wanderer.go_on(after, 9)
                    assert await before.hear() == {"type": "closed", "reason": "moved_away"}
                    assert await before.closed() == (4409, "moved_away")
                    await wanderer.go_on(after, STEPS)
            await wanderer.check(one.ws)

    move()


@needs_redis
def test_when_its_server_is_killed_a_stream_goes_on_at_the_other(published, redis):
    chance = random.Random(9)

    async def until_killed(wanderer: Wanderer, address: str) -> None:
        with suppress(*KILLED):
            async with wanderer.connected(address) as client:
                await wanderer.go_on(client, STEPS)

    async def resumed(wanderer: Wanderer, address: str) -> None:
        async with wanderer.connected(address) as client:
            await wanderer.go_on(client, STEPS)
        await wanderer.check(address)

    @on_a_loop
    async def kill(first: CarouselProcess):
        wanderers = [Wanderer(f"k{number}", chance) for number in range(STREAMS)]
        running = [asyncio.create_task(until_killed(each, ws_of(first))) for each in wanderers]
        # The last to begin has been answered once; the others are anywhere.
        for each in wanderers:
            await each.answered.wait()
        first.process.send_signal(signal.SIGKILL)
        await asyncio.gather(*running)
        assert any(len(each.outputs) < STEPS for each in wanderers)
        async with live_bundles(published, session_store=redis.url, session_save_s=0) as other:
            await asyncio.gather(*(resumed(each, other.ws) for each in wanderers))

    store = {"session_store": redis.url, "session_save_s": "0", "grpc_port": "none"}
    with CarouselProcess(published, **store) as first:
        kill(first)
        assert first.wait() == -signal.SIGKILL


def ws_of(server: CarouselProcess) -> str:
    return server.address.replace("http", "ws", 1)
