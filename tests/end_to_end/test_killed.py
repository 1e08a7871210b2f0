"""kill -9 under 500 streams: the next server goes on with each from its last acknowledged step."""

from __future__ import annotations

import asyncio
import random
import signal
import tempfile
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import orjson
import pytest
from carousel_process import CarouselProcess
from live_server import Connection, request

STREAMS = 500
TEXTS = ("abcdef", "hgfedc", "aabbhh", "fedcba")
SESSIONS = "/v2/models/letters/sessions"


class Stream:
    """A client of one stream: three symbols a step, two steps; `outputs` are those it was answered."""

    def __init__(self, number: int) -> None:
        self.text = TEXTS[number % len(TEXTS)]
        self.path = f"{SESSIONS}/s{number}"
        self.opening = request(SESSIONS, orjson.dumps({"id": f"s{number}"}))
        self.is_open = False
        self.outputs: list[list[float]] = []

    @property
    def answered(self) -> int:
        return len(self.outputs) // 3

    async def start(self, connection: Connection, killer: Killer) -> None:
        await connection.send(self.opening)
        assert (await connection.reply()).status == 201
        self.is_open = True
        await self.go_on(connection, killer)

    async def go_on(self, connection: Connection, killer: Killer | None = None) -> None:
        for number in range(self.answered + 1, len(self.text) // 3 + 1):
            part = self.text[3 * number - 3 : 3 * number]
            body = {"sequence": part, "step": number, "include_outputs": True}
            await connection.send(request(f"{self.path}/steps", orjson.dumps(body)))
            reply = await connection.reply()
            assert reply.status == 200, reply.body
            self.outputs += orjson.loads(reply.body)["predictions"][0]["output"]
            if killer is not None:
                killer.saw_an_answer()

    async def resume(self, connection: Connection) -> None:
        await connection.send(request(self.path, b"", "GET"))
        reply = await connection.reply()
        if not self.is_open:
            # Its opening was never answered.
            assert reply.status in {200, 404}
            return
        assert reply.status == 200, reply.body
        # The step that was under way may have been saved, and is answered once more.
        assert orjson.loads(reply.body)["step"] - self.answered in {0, 1}
        await self.go_on(connection)


class Killer:
    """Kills the server after so many answers, wherever the others are."""

    def __init__(self, server: CarouselProcess, answers: int) -> None:
        self._server = server
        self._left = answers

    def saw_an_answer(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._server.process.send_signal(signal.SIGKILL)


async def each_on_a_connection(address: str, streams: list[Stream], talk) -> None:
    host, port = address.removeprefix("http://").split(":")

    async def alone(stream: Stream) -> None:
        connection = Connection(*await asyncio.open_connection(host, int(port)))
        try:
            await talk(stream, connection)
        finally:
            connection.writer.close()

    await asyncio.gather(*map(alone, streams))


async def until_killed(stream: Stream, connection: Connection, killer: Killer) -> None:
    try:
        await stream.start(connection, killer)
    except (ConnectionError, asyncio.IncompleteReadError):
        # Killed.
        return


@pytest.fixture
def in_memory():
    """A folder that outlives the process and is as quick as the machine has it."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield folder


def test_every_stream_goes_on_from_its_last_acknowledged_step(published, in_memory):
    settings = {"session_store": f"dir:{in_memory}", "session_save_s": "0", "grpc_port": "none"}
    streams = [Stream(number) for number in range(STREAMS)]
    with CarouselProcess(published, **settings) as server:
        killer = Killer(server, random.Random(11).randrange(STREAMS // 2, STREAMS))
        asyncio.run(each_on_a_connection(server.address, streams, partial(until_killed, killer=killer)))
        assert server.wait() == -signal.SIGKILL
    begun = [stream for stream in streams if stream.is_open]
    assert len(begun) > STREAMS // 2
    with CarouselProcess(published, **settings) as server:
        asyncio.run(each_on_a_connection(server.address, streams, Stream.resume))
        for text in TEXTS:
            body = {"sequence": text, "include_outputs": True}
            whole = httpx.post(f"{server.address}/predict/letters", json=body).json()["predictions"][0][
                "output"
            ]
            for stream in (stream for stream in begun if stream.text == text):
                np.testing.assert_allclose(stream.outputs, whole, atol=1e-5)
