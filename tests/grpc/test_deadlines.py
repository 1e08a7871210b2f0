"""Deadlines and departures over gRPC: told with the right code, and nobody else is harmed."""

from __future__ import annotations

import logging

import grpc
import numpy as np
import pytest
from grpc._cython.cygrpc import ExecuteBatchError
from grpc_door import GrpcDoor, infer_fields, question
from on_a_loop import on_a_loop

from service.api.grpc.messages import ModelInferRequest

BODY = question().SerializeToString()


def waiting(door: GrpcDoor) -> float:
    return door.memory.metric("waiting_sequences", model="sums", version="1")


def rejected(door: GrpcDoor, reason: str) -> float:
    return door.memory.metric("rejected_total", reason=reason)


@on_a_loop
async def test_the_caller_s_deadline_is_the_request_s():
    async with GrpcDoor() as door:
        neighbour = await door.memory.hold()
        refusal = await door.refusal("ModelInfer", BODY, timeout=0.2)
        assert refusal.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await door.until(lambda: rejected(door, "deadline") == 1)
        door.memory.backends["sums"].gate.set()
        assert (await neighbour).status_code == 200
        assert len(door.memory.backends["sums"].batches) == 1


@pytest.mark.parametrize("field", ["int64_param", "uint64_param", "double_param"])
@on_a_loop
async def test_a_timeout_among_the_parameters_is_sooner_than_the_deadline(field):
    async with GrpcDoor() as door:
        neighbour = await door.memory.hold()
        fields = infer_fields(np.ones((1, 1, 2), np.float32)) | {"parameters": {"timeout": {field: 20_000}}}
        refusal = await door.refusal("ModelInfer", ModelInferRequest(**fields).SerializeToString())
        assert refusal.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert "deadline" in refusal.details()
        assert rejected(door, "deadline") == 1
        door.memory.backends["sums"].gate.set()
        assert (await neighbour).status_code == 200


@on_a_loop
async def test_a_call_that_is_cancelled_costs_no_compute_and_harms_no_neighbour():
    async with GrpcDoor() as door:
        running = await door.memory.hold()
        left, stays = (
            door.call("ModelInfer", BODY),
            door.call("ModelInfer", question(7, 7).SerializeToString()),
        )
        await door.until(lambda: waiting(door) == 2)
        left.cancel()
        await door.until(lambda: rejected(door, "client_gone") == 1)
        door.memory.backends["sums"].gate.set()
        assert await stays
        assert (await running).status_code == 200
        assert door.memory.backends["sums"].names[1:] == [[7.0]]


@pytest.mark.parametrize(
    ("failure", "lines"), [(ExecuteBatchError("execute_batch"), 0), (ValueError("odd"), 1)]
)
@on_a_loop
async def test_an_answer_that_finds_nobody_is_no_error_in_the_log(failure, lines, logged):
    async with GrpcDoor():
        logging.getLogger("grpc._cython.cygrpc").error("raised in core", exc_info=failure)
        assert len(logged) == lines


@pytest.mark.parametrize(("given", "comes_back"), [("mine-7", True), ("x" * 200, False)])
@on_a_loop
async def test_a_sane_request_id_comes_back_also_with_a_refusal(given, comes_back):
    async with GrpcDoor() as door:
        metadata = (("x-request-id", given),)
        call = door.call("ModelInfer", BODY, metadata=metadata)
        await call
        refusal = await door.refusal("ModelInfer", b"\xff", metadata=metadata)
        for trailers in (await call.trailing_metadata(), refusal.trailing_metadata()):
            assert (dict(trailers)["x-request-id"] == given) is comes_back
