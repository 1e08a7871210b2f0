"""Right bodies changed at random: answered or refused, and no neighbour's answer changes."""

from __future__ import annotations

import asyncio
import json

import grpc
import numpy as np
from binary_bodies import LENGTH, announced, framed
from drawn import examples
from every_door import DOORS
from fakes import running_sum
from grpc_door import GrpcDoor, infer_fields
from hypothesis import given
from hypothesis import strategies as st
from mutations import changed_bytes, changed_values
from on_a_loop import on_a_loop
from questions import Question, Served

from service.api.grpc.messages import ModelInferRequest

ROWS = np.arange(1, 13, dtype=np.float32).reshape(2, 3, 2)
ENDS = np.array([1, 3], np.int32)
PREDICT = {"sequences": ROWS.tolist(), "include_outputs": True, "timeout_ms": 9000}
INFER = {
    "id": "mine",
    "parameters": {"timeout": 9_000_000, "priority": 1, "binary_data_output": True},
    "inputs": [
        {"name": "sequence", "datatype": "FP32", "shape": [2, 3, 2], "data": ROWS.tolist()},
        {"name": "lengths", "datatype": "INT32", "shape": [2], "data": [1, 3]},
    ],
    "outputs": [{"name": "output", "parameters": {"binary_data": False}}],
}
ANNOUNCED = {"inputs": [announced("sequence", ROWS), announced("lengths", ENDS, "INT32")]}
FRAMED, FRAME = framed(ANNOUNCED, ROWS, ENDS)
MESSAGE = ModelInferRequest(**infer_fields(ROWS, [1, 3])).SerializeToString()
NEIGHBOUR = Question("sums", [np.array([[5, 6], [7, 8], [9, 10]], np.float32)])
REFUSED = {400, 404, 413, 415}
CODES = {"INVALID_ARGUMENT", "NOT_FOUND", "RESOURCE_EXHAUSTED"}


def is_beyond_float32(message: str) -> bool:
    """Finite numbers may add up to one that is not: the engine's own trouble, not the request's."""
    return "finite" in message or "overflow" in message


async def beside_a_neighbour(server: GrpcDoor, asking) -> object:
    """What `asking` comes to while a right request is in flight, and waits for the same batch."""
    held = await server.memory.hold()
    neighbour = asyncio.create_task(DOORS["predict"].infer(Served.by(server), NEIGHBOUR))
    asked = asyncio.create_task(asking)
    await server.until(lambda: server.memory.metric("waiting_sequences", model="sums", version="1") >= 1)
    server.memory.backends["sums"].gate.set()
    assert (await neighbour).bits == [running_sum(NEIGHBOUR.sequences[0])[-1].tobytes()]
    assert (await held).status_code == 200
    return await asked


@on_a_loop
async def post(path: str, body: bytes, headers: dict[str, str]) -> None:
    async with GrpcDoor() as server:
        reply = await beside_a_neighbour(server, server.memory.post(path, body, **headers))
        if reply.status_code != 200:
            message = reply.json()["error"]
            assert reply.status_code in REFUSED or is_beyond_float32(message), (reply.status_code, message)


@on_a_loop
async def call(body: bytes) -> None:
    async def told(server: GrpcDoor) -> grpc.aio.AioRpcError | None:
        try:
            await server.call("ModelInfer", body, timeout=20)
        except grpc.aio.AioRpcError as refused:
            return refused
        return None

    async with GrpcDoor() as server:
        refused = await beside_a_neighbour(server, told(server))
        if refused is not None:
            assert refused.code().name in CODES or is_beyond_float32(refused.details()), refused


@given(changed_values(PREDICT) | changed_bytes(json.dumps(PREDICT).encode()))
@examples(20)
def test_at_predict(body):
    post("/predict/sums", body, {})


@given(changed_values(INFER) | changed_bytes(json.dumps(INFER).encode()))
@examples(30)
def test_at_v2_in_json(body):
    post("/v2/models/sums/infer", body, {})


@given(changed_bytes(FRAMED), st.sampled_from([FRAME[LENGTH], "0", "7", "300"]))
@examples(20)
def test_at_v2_in_bytes(body, length):
    post("/v2/models/sums/infer", body, {LENGTH: length})


@given(changed_values(ANNOUNCED))
@examples(20)
def test_at_v2_where_the_json_announces_other_bytes(header):
    post("/v2/models/sums/infer", header + ROWS.tobytes() + ENDS.tobytes(), {LENGTH: str(len(header))})


@given(changed_bytes(MESSAGE))
@examples(30)
def test_at_grpc(body):
    call(body)
