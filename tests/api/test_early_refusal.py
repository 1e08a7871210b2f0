"""What a request says of its time is found without reading it, and never less than it means."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
import pytest
from bench import all_due
from fakes import running_sum_signature
from hypothesis import given
from hypothesis import strategies as st
from memory_server import MemoryServer
from on_a_loop import on_a_loop

from service.api.early_refusal import StatedTimeout, least_of_lists, least_of_tensors
from service.batching.cost_model import CostModel
from service.batching.scheduler import ANYTHING, Least

STATED = StatedTimeout.of("timeout", 1e-6)
SIGNATURE = running_sum_signature()


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


@given(st.integers(0, 9), st.integers(0, 40), st.text(), st.booleans())
def test_a_tensor_s_shape_tells_the_least_and_text_does_not(rows, steps, text, is_spaced):
    tensor = {"name": "sequence", "shape": [rows, steps, 2], "data": [0] * (rows * steps * 2)}
    body = {"id": text, "inputs": [tensor], "parameters": {text: text}}
    options = orjson.OPT_INDENT_2 if is_spaced else None
    assert least_of_tensors(orjson.dumps(body, option=options), SIGNATURE) == Least(rows, steps)


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"shape": [7]}',
        b'{"shape": [1, 2.5, 2]}',
        b'{"shape": [1, 2e3, 2]}',
        b'{"shape": [1, -2, 2]}',
        b'{"id": "\\"shape\\": [1, 2]"}',
        b'{"inputs": [{"shape": [1, 9]}, {"shape": [1, 9]}], "what": "of two, either"}',
        b'{"inputs": [{"shape": [1, 9]}, {"name": "lengths", "shape": [1], "data": [1]}]}',
        b'{"shape": [1, 999999999, 2], "data": []}',
        b'{"shape": [%b, 1]}' % (b"9" * 30),
    ],
)
def test_a_shape_that_may_say_too_much_says_nothing(body):
    assert least_of_tensors(body, SIGNATURE) == ANYTHING


@given(st.integers(0, 40), st.booleans())
def test_lists_are_steps(steps, is_spaced):
    body = {"sequence": [[1, 2]] * steps, "timeout_ms": 5}
    options = orjson.OPT_INDENT_2 if is_spaced else None
    assert least_of_lists(orjson.dumps(body, option=options), SIGNATURE) == Least(1, steps)


def test_of_several_sequences_or_of_symbols_lists_tell_nothing():
    assert least_of_lists(b'{"sequences": [[[1, 2]], [[1, 2]]]}', SIGNATURE) == ANYTHING
    assert least_of_lists(b'{"sequence": "[[[["}', running_sum_signature(symbols=3)) == ANYTHING


@asynccontextmanager
async def crowded() -> AsyncIterator[tuple[MemoryServer, CostModel]]:
    """Its engine is held by one request, another waits, and both are answered in the end."""
    async with MemoryServer() as memory:
        running = await memory.hold()
        waiting = asyncio.create_task(memory.post("/predict/sums", {"sequence": [[1, 2]]}))
        model = memory.carousel.registry.find("sums")
        while not model.scheduler.waiting:
            await all_due()
        yield memory, model.costs.current()
        memory.backends["sums"].gate.set()
        assert [(await one).status_code for one in (running, waiting)] == [200, 200]


@pytest.mark.parametrize(
    ("path", "long", "short"),
    [
        (
            "/predict/sums",
            {"sequence": [["not a number"]] * 200, "timeout_ms": 1000},
            {"sequence": [["not a number"]] * 2, "timeout_ms": 1000},
        ),
        (
            "/v2/models/sums/infer",
            {"inputs": [{"shape": [1, 200, 2], "data": [0] * 400}], "parameters": {"timeout": 1000000}},
            {"inputs": [{"shape": [1, 2, 2], "data": [0] * 400}], "parameters": {"timeout": 1000000}},
        ),
    ],
)
@on_a_loop
async def test_a_sequence_too_long_for_its_time_is_refused_unread(path, long, short):
    async with crowded() as (memory, cost):
        cost.call_s, cost.step_s, cost.row_step_s = 0.0, 0.01, 0.01
        assert (await memory.post(path, long)).status_code == 429
        assert (await memory.post(path, short)).status_code == 400


@on_a_loop
async def test_who_has_too_little_time_is_refused_unread_and_who_may_have_more_is_read():
    async with crowded() as (memory, cost):
        cost.call_s = 10.0
        body = {"sequence": "not a sequence", "timeout_ms": 1000}
        refused = await memory.post("/predict/sums", body)
        assert (refused.status_code, refused.json()["error"][:22]) == (429, "timeout: 1 s are left,")
        assert int(refused.headers["retry-after"]) >= 10
        for other in ({"priority": 1}, {"timeout_ms": 10**9}):
            read = await memory.post("/predict/sums", body | other)
            assert (read.status_code, read.json()["error"][:9]) == (400, "sequence:")
