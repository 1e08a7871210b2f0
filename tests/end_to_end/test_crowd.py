"""A crowd of good and bad callers at once: every good one has its own answer, and the server stays well."""

from __future__ import annotations

import asyncio
import json
import random

import httpx
import numpy as np
from carousel_process import CarouselProcess
from live_server import Connection, request
from plain_http import NO_TLS

from service.repository.golden import GoldenVectors, read_golden

CALLERS = 300
AT_ONCE = 60
GOOD = ("asks", "asks", "asks")
BAD = ("leaves after asking", "leaves while sending", "sends nonsense", "announces too much", "is no client")


class Crowd:
    """Callers of every kind; `golden` is what the good ones ask and are due."""

    def __init__(self, address: str, golden: GoldenVectors) -> None:
        self._host, self._port = address.removeprefix("http://").split(":")
        self._pairs = list(zip(golden.sequences, golden.outputs, strict=True))
        self._places = asyncio.Semaphore(AT_ONCE)

    async def call(self, kind: str, number: int) -> None:
        async with self._places:
            connection = Connection(*await asyncio.open_connection(self._host, int(self._port)))
            try:
                await self._say(connection, kind, number)
            finally:
                await connection.leave()

    async def _say(self, connection: Connection, kind: str, number: int) -> None:
        sequence, due = self._pairs[number % len(self._pairs)]
        body = json.dumps({"sequence": sequence.tolist(), "include_outputs": True}).encode()
        whole = request("/predict/letters", body)
        if kind == "asks":
            await connection.send(whole)
            reply = await connection.reply()
            assert reply.status == 200
            np.testing.assert_allclose(json.loads(reply.body)["predictions"][0]["output"], due, atol=1e-5)
        elif kind == "leaves after asking":
            await connection.send(whole)
        elif kind == "leaves while sending":
            await connection.send(whole[:-3])
        elif kind == "sends nonsense":
            await connection.send(request("/predict/letters", body[1:]))
            assert (await connection.reply()).status == 400
        elif kind == "announces too much":
            await connection.send(whole.replace(b"Content-Length: ", b"Content-Length: 9999999"))
            assert (await connection.reply()).status == 413
        else:
            await connection.send(b"\x16\x03\x01\x02\r\n\r\n")
            assert (await connection.reply()).status == 400


def test_every_good_caller_in_a_crowd_has_its_own_answer(published):
    dice = random.Random(7)
    kinds = [dice.choice(GOOD + BAD) for _ in range(CALLERS)]

    async def scenario(address: str) -> None:
        crowd = Crowd(address, read_golden(published / "letters" / "1"))
        await asyncio.gather(*(crowd.call(kind, number) for number, kind in enumerate(kinds)))

    with CarouselProcess(published) as server:
        asyncio.run(scenario(server.address))
        page = httpx.get(f"{server.address}/metrics", verify=NO_TLS).text
        assert httpx.get(f"{server.address}/v2/health/ready", verify=NO_TLS).status_code == 200
    assert 'carousel_rejected_total{reason="internal"} 0.0' in page
    assert f'carousel_rejected_total{{reason="too_large"}} {kinds.count("announces too much")}.0' in page
    assert server.wait() == 0
    assert '"level":"error"' not in server.said
