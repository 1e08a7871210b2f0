"""Both HTTP doors at their limits: times that are none, and very long sequences."""

from __future__ import annotations

import pytest
from doors import DOORS, body_of, with_timeout
from memory_server import MemoryServer
from on_a_loop import on_a_loop


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("limit", [-1, -0.5, "5", [5], {}, True])
@on_a_loop
async def test_a_timeout_that_is_no_time_is_refused_by_name(limit, door):
    async with MemoryServer() as server:
        refusal = await server.post(DOORS[door].format("sums"), with_timeout(door, limit))
        assert refusal.status_code == 400
        assert "timeout" in refusal.json()["error"].split(":")[0]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("limit", [1e300, 10**25, 1e9])
@on_a_loop
async def test_an_absurdly_long_timeout_is_granted(limit, door):
    async with MemoryServer() as server:
        answer = await server.post(DOORS[door].format("sums"), with_timeout(door, limit))
        assert answer.status_code == 200


@pytest.mark.parametrize("door", DOORS)
@on_a_loop
async def test_a_million_steps_are_refused_by_their_number(door):
    async with MemoryServer() as server:
        letters = "[" + "0," * 999_999 + "0]"
        body = body_of(door, letters, (1_000_000,), "letters")
        refusal = await server.post(DOORS[door].format("letters"), body)
        assert refusal.status_code == 413
        assert "1000000 steps, at most 32768" in refusal.json()["error"]
