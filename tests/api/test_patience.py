"""How long a request's own stream may take: each step, where its answer flows; all, where it does not."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

import pytest
from memory_server import MemoryServer
from on_a_loop import on_a_loop

from service.errors import DeadlineUnreachable

SUMS = "/v2/models/sums/forecast"
ASKED = {"sequence": [[1.0, 2.0]], "steps": 6, "future": [[3.0]] * 5}
TIMEOUT_S = 0.3
PACE_S = 0.1


@dataclass
class Paced:
    """Every answer of the model takes a while, and at `ends_at` the server begins to end."""

    server: MemoryServer
    pace_s: float = PACE_S
    ends_at: int | None = None
    crowded_at: int | None = None

    def __post_init__(self) -> None:
        self._infer, self._count = self.server.carousel.predictor.infer, 0
        self.server.carousel.predictor.infer = self

    async def __call__(self, request):
        self._count += 1
        if self._count == self.ends_at:
            self.server.carousel.drain()
        if self._count == self.crowded_at:
            raise DeadlineUnreachable("timeout: 0.01 s are left, the answer is expected in 0.02 s", 0.01)
        await asyncio.sleep(self.pace_s)
        return await self._infer(request)


def told(events: str) -> list[dict]:
    return [json.loads(line.removeprefix("data: ")) for line in events.split("\n\n") if line]


@on_a_loop
async def test_an_answer_that_flows_may_take_longer_than_any_of_its_steps():
    async with MemoryServer(default_timeout_s=TIMEOUT_S) as server:
        Paced(server)
        *pieces, last = told((await server.client.post(f"{SUMS}_stream", json=ASKED)).text)
        assert (len(pieces), last) == (6, {"model_name": "sums", "model_version": "1", "steps": 6})


@pytest.mark.parametrize("route", [SUMS, f"{SUMS}_stream"])
@on_a_loop
async def test_a_deadline_that_the_caller_states_is_that_of_the_whole(route):
    async with MemoryServer() as server:
        Paced(server)
        answer = await server.client.post(route, json=ASKED | {"timeout_ms": TIMEOUT_S * 1000})
        error = told(answer.text)[-1]["error"] if route != SUMS else answer.json()["error"]
        assert error.startswith("timeout: the deadline passed after ")
        assert "CAROUSEL" not in error


@on_a_loop
async def test_who_waits_for_all_of_it_is_told_how_to_wait_longer():
    async with MemoryServer(default_timeout_s=TIMEOUT_S) as server:
        Paced(server)
        refusal = await server.client.post(SUMS, json=ASKED)
        assert refusal.status_code == 504
        words = "0.3 s for all unless timeout_ms says more; CAROUSEL_DEFAULT_TIMEOUT_S is the server's"
        assert refusal.json()["error"].endswith(words)
        patient = await server.client.post(SUMS, json=ASKED | {"timeout_ms": 10_000})
        assert patient.status_code == 200


@on_a_loop
async def test_a_server_that_ends_waits_for_what_flows_no_longer_than_for_anything_else():
    async with MemoryServer(default_timeout_s=TIMEOUT_S) as server:
        Paced(server, ends_at=2)
        *pieces, last = told((await server.client.post(f"{SUMS}_stream", json=ASKED)).text)
        assert 1 < len(pieces) < 6
        assert last["error"].endswith("the server is ending")
        assert last["steps"] == len(pieces)


@pytest.mark.parametrize(("crowded_at", "status", "words"), [(1, 429, "0.02 s"), (3, 504, "after 2 answers")])
@on_a_loop
async def test_a_step_for_which_no_time_is_left_is_late_and_the_first_is_one_too_many(
    crowded_at, status, words
):
    async with MemoryServer() as server:
        Paced(server, pace_s=0, crowded_at=crowded_at)
        refusal = await server.client.post(SUMS, json=ASKED)
        assert refusal.status_code == status
        assert words in refusal.json()["error"]
