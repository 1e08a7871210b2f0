"""What a request keeps in memory while it waits, and what is counted of it."""

from __future__ import annotations

import asyncio
import sys

import numpy as np
import orjson
import pytest
from bench import all_due
from binary_bodies import announced, framed
from memory_server import MemoryServer
from on_a_loop import on_a_loop

from service.api.call import Call
from service.api.open_inference.infer import InferDoor
from service.api.predict import PredictDoor

STEPS = [[1.0, 2.0], [3.0, 4.0]]
TENSOR = {"name": "sequence", "datatype": "FP32", "shape": [1, 2, 2], "data": [STEPS]}


@on_a_loop
@pytest.mark.parametrize(
    ("door", "asked"), [(PredictDoor, {"sequence": STEPS}), (InferDoor, {"inputs": [TENSOR]})]
)
async def test_json_is_let_go_of_before_the_wait(door, asked):
    async with MemoryServer() as server:
        server.backends["sums"].gate.clear()
        body = orjson.dumps(asked)
        alone = sys.getrefcount(body)
        answer = asyncio.create_task(door(server.carousel.predictor)(Call("sums", None, {}, body, bool)))
        await all_due()
        assert not answer.done()
        assert sys.getrefcount(body) == alone
        server.backends["sums"].gate.set()
        await answer


@on_a_loop
async def test_padding_that_is_kept_for_short_rows_counts_as_what_it_takes():
    padded, ends = np.zeros((2, 5000, 2), np.float32), np.array([1, 1], np.int32)
    inputs = [announced("sequence", padded), announced("lengths", ends, "INT32")]
    body, headers = framed({"inputs": inputs}, padded, ends)
    async with MemoryServer(max_waiting_bytes=3 * len(body)) as server:
        backend = server.backends["sums"]
        backend.gate.clear()
        first = [asyncio.create_task(server.client.post("/predict/sums", json={"sequence": STEPS}))]
        await asyncio.to_thread(backend.entered.acquire)
        asked = [server.client.post("/v2/models/sums/infer", content=body, headers=headers) for _ in range(6)]
        waiting = asyncio.gather(*asked)
        # Only a full queue is refused while the engine stands still.
        while server.carousel.registry.find("sums").scheduler.waiting < 6:
            await all_due()
        backend.gate.set()
        statuses = sorted(answer.status_code for answer in await waiting)
        assert statuses == [200] * 3 + [429] * 3
        await asyncio.gather(*first)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/predict/sums", b"not even JSON", 429),
        ("/v2/models/sums/infer", b"not even JSON", 429),
        ("/predict/sums", b'not JSON, but of "priority"', 400),
        ("/v2/models/sums/infer", b'not JSON, but of a "sequence_id"', 400),
        ("/predict/sums", rb'{"\u0070riority": 0}', 400),
    ],
)
@on_a_loop
async def test_what_a_full_queue_refuses_in_any_case_is_not_read(path, body, status):
    async with MemoryServer(max_waiting_rows=1) as server:
        held = [await server.hold()]
        held.append(asyncio.create_task(server.post("/predict/sums", {"sequence": STEPS})))
        while server.carousel.registry.find("sums").scheduler.waiting < 1:
            await all_due()
        refusal = await server.post(path, body)
        assert refusal.status_code == status
        assert ("retry-after-ms" in refusal.headers) == (status == 429)
        server.backends["sums"].gate.set()
        assert [answer.status_code for answer in await asyncio.gather(*held)] == [200, 200]
