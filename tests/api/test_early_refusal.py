"""What a request says of its time is found without reading it, and never less than it means."""

from __future__ import annotations

import asyncio
import math

import orjson
import pytest
from bench import all_due
from hypothesis import given
from hypothesis import strategies as st
from memory_server import MemoryServer
from on_a_loop import on_a_loop

from service.api.early_refusal import StatedTimeout

STATED = StatedTimeout.of("timeout", 1e-6)


@given(st.integers(0, 10**9), st.text(), st.booleans())
def test_a_whole_number_is_found_wherever_it_stands(timeout, text, is_spaced):
    body = {"id": text, "parameters": {"note": text, "timeout": timeout}, "inputs": []}
    options = orjson.OPT_INDENT_2 if is_spaced else None
    assert STATED.seconds(orjson.dumps(body, option=options)) == (timeout * 1e-6 or math.inf)


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"timeout": null}',
        b'{"timeout": 1.5e6}',
        b'{"timeout": 1e6}',
        b'{"timeout": "5"}',
        b'{"id": "\\"timeout\\": 5"}',
        b'{"timeout_ms": 5}',
        b'{"timeout": %b}' % (b"9" * 16),
        b'{"timeout": %b}' % (b"9" * 5000),
    ],
)
def test_what_only_reading_tells_is_left_to_it(body):
    assert STATED.seconds(body) == math.inf


def test_of_several_the_longest_counts():
    assert STATED.seconds(b'{"a": {"timeout": 7}, "timeout": 2000000}') == 2.0


@on_a_loop
async def test_who_has_too_little_time_is_refused_unread_and_who_may_have_more_is_read():
    async with MemoryServer() as memory:
        running = await memory.hold()
        waiting = asyncio.create_task(memory.post("/predict/sums", {"sequence": [[1, 2]]}))
        model = memory.carousel.registry.find("sums")
        while not model.scheduler.waiting:
            await all_due()
        model.costs.current().call_s = 10.0
        body = {"sequence": "not a sequence", "timeout_ms": 1000}
        refused = await memory.post("/predict/sums", body)
        assert (refused.status_code, refused.json()["error"][:22]) == (429, "timeout: 1 s are left,")
        assert int(refused.headers["retry-after"]) >= 10
        for other in ({"priority": 1}, {"timeout_ms": 10**9}):
            read = await memory.post("/predict/sums", body | other)
            assert (read.status_code, read.json()["error"][:9]) == (400, "sequence:")
        memory.backends["sums"].gate.set()
        assert [(await one).status_code for one in (running, waiting)] == [200, 200]
