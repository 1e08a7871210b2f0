"""kill -9 under 500 streams: the next server goes on with each from its last acknowledged step."""

from __future__ import annotations

import asyncio
import random
import signal
import tempfile
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
import pytest
import websockets
from carousel_process import CarouselProcess
from live_server import Connection, request
from plain_http import NO_TLS
from stream_client import Client

STREAMS = 500
SYMBOLS = "abcdefgh"
TEXTS = ("abcdef", "hgfedc", "aabbhh", "fedcba")
SESSIONS = "/v2/models/letters/sessions"
# How it feels when a server is killed, at whichever point.
KILLED = (ConnectionError, EOFError, websockets.ConnectionClosed, websockets.InvalidMessage)


class Stream(ABC):
    """A client of one stream: three symbols a step, two steps; `outputs` are those it was answered."""

    def __init__(self, number: int) -> None:
        self.text = TEXTS[number % len(TEXTS)]
        self.id = f"s{number}"
        self.is_open = False
        self.outputs: list[list[float]] = []

    @property
    def answered(self) -> int:
        return len(self.outputs) // 3

    @abstractmethod
    def connected(self, address: str) -> AbstractAsyncContextManager[Any]:
        """What the other methods take; address without a scheme."""

    @abstractmethod
    async def open(self, connection: Any) -> None:
        """Returns when the opening has been answered."""

    @abstractmethod
    async def step(self, connection: Any, number: int, symbols: str) -> list[list[float]]:
        """The outputs."""

    @abstractmethod
    async def come_back(self, connection: Any) -> int | None:
        """The number of the last step that the server knows of; None where it knows of no session."""

    async def start(self, connection: Any, killer: Killer) -> None:
        await self.open(connection)
        self.is_open = True
        await self.go_on(connection, killer)

    async def go_on(self, connection: Any, killer: Killer | None = None) -> None:
        for number in range(self.answered + 1, len(self.text) // 3 + 1):
            self.outputs += await self.step(connection, number, self.text[3 * number - 3 : 3 * number])
            if killer is not None:
                killer.saw_an_answer()

    async def resume(self, connection: Any) -> None:
        known = await self.come_back(connection)
        # Nobody was told of a session whose opening was never answered.
        if self.is_open:
            # The step that was under way may have been saved, and is answered once more.
            assert known - self.answered in {0, 1}
            await self.go_on(connection)


class RestStream(Stream):
    """Over HTTP, on a connection that it keeps."""

    @asynccontextmanager
    async def connected(self, address: str) -> AsyncIterator[Connection]:
        host, port = address.split(":")
        connection = Connection(*await asyncio.open_connection(host, int(port)))
        try:
            yield connection
        finally:
            connection.writer.close()

    async def open(self, connection: Connection) -> None:
        await self._asked(connection, request(SESSIONS, orjson.dumps({"id": self.id})), 201)

    async def step(self, connection: Connection, number: int, symbols: str) -> list[list[float]]:
        body = {"sequence": symbols, "step": number, "include_outputs": True}
        told = await self._asked(connection, request(f"{SESSIONS}/{self.id}/steps", orjson.dumps(body)), 200)
        return told["predictions"][0]["output"]

    async def come_back(self, connection: Connection) -> int | None:
        told = await self._asked(
            connection, request(f"{SESSIONS}/{self.id}", b"", "GET"), 200, None if self.is_open else 404
        )
        return told.get("step")

    async def _asked(self, connection: Connection, message: bytes, *statuses: int | None) -> dict[str, Any]:
        await connection.send(message)
        reply = await connection.reply()
        assert reply.status in statuses, reply.body
        return orjson.loads(reply.body)


class WebSocketStream(Stream):
    """Over a WebSocket, in bytes; it comes back with its token."""

    token = ""

    @asynccontextmanager
    async def connected(self, address: str) -> AsyncIterator[Client]:
        url = f"ws://{address}/v2/models/letters/stream"
        async with websockets.connect(url, compression=None, ping_interval=None) as socket:
            yield Client(socket)

    async def open(self, connection: Client) -> None:
        told = await connection.ask("open", session=self.id, resumable=True)
        assert told["type"] == "opened", told
        self.token = told["token"]

    async def step(self, connection: Client, number: int, symbols: str) -> list[list[float]]:
        await connection.say_binary(
            np.array([SYMBOLS.index(each) for each in symbols], np.int32), step=number
        )
        answer = await connection.hear_binary(width=len(SYMBOLS))
        assert answer.step == number
        return answer.outputs[0].tolist()

    async def come_back(self, connection: Client) -> int | None:
        told = await connection.ask("open", session=self.id, resume=self.token or "none")
        assert told["type"] == "opened" if self.is_open else told["status"] in {403, 404}, told
        return told.get("step")


class Killer:
    """Kills the server after so many answers, wherever the others are."""

    def __init__(self, server: CarouselProcess, answers: int) -> None:
        self._server = server
        self._left = answers

    def saw_an_answer(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._server.process.send_signal(signal.SIGKILL)


async def all_resumed(address: str, streams: list[Stream]) -> None:
    async def alone(stream: Stream) -> None:
        async with stream.connected(address.removeprefix("http://")) as connection:
            await stream.resume(connection)

    await asyncio.gather(*map(alone, streams))


async def all_until_killed(address: str, streams: list[Stream], killer: Killer) -> None:
    async def alone(stream: Stream) -> None:
        with suppress(*KILLED):
            async with stream.connected(address.removeprefix("http://")) as connection:
                await stream.start(connection, killer)

    await asyncio.gather(*map(alone, streams))


@pytest.fixture
def in_memory():
    """A folder that outlives the process and is as quick as the machine has it."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield folder


def test_every_stream_goes_on_from_its_last_acknowledged_step(published, in_memory):
    settings = {"session_store": f"dir:{in_memory}", "session_save_s": "0", "grpc_port": "none"}
    streams = [(RestStream, WebSocketStream)[number // 4 % 2](number) for number in range(STREAMS)]
    with CarouselProcess(published, **settings) as server:
        killer = Killer(server, random.Random(11).randrange(STREAMS // 2, STREAMS))
        asyncio.run(all_until_killed(server.address, streams, killer))
        assert server.wait() == -signal.SIGKILL
    begun = [stream for stream in streams if stream.is_open]
    assert len(begun) > STREAMS // 2
    assert {type(stream) for stream in begun if stream.outputs} == {RestStream, WebSocketStream}
    with CarouselProcess(published, **settings) as server:
        asyncio.run(all_resumed(server.address, streams))
        for text in TEXTS:
            body = {"sequence": text, "include_outputs": True}
            whole = httpx.post(f"{server.address}/predict/letters", json=body, verify=NO_TLS).json()[
                "predictions"
            ][0]["output"]
            for stream in (stream for stream in begun if stream.text == text):
                np.testing.assert_allclose(stream.outputs, whole, atol=1e-5)
