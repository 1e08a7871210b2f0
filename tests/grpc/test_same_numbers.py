"""gRPC gives the numbers of /predict to the last bit, whatever form they are sent in."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from grpc_door import GrpcDoor, arrays_of, infer_fields
from on_a_loop import on_a_loop


def rows_of(response) -> list[bytes]:
    tensors = arrays_of(response)
    if "lengths" not in tensors:
        return [row.tobytes() for row in tensors["output"]]
    pairs = zip(tensors["output"], tensors["lengths"], strict=True)
    return [row[:steps].tobytes() for row, steps in pairs]


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
@on_a_loop
async def test_floats_of_another_width_are_taken_where_nothing_is_lost(dtype):
    async with GrpcDoor() as door:
        values = [[[1, 2], [3, 4]]]
        due = await door.ask("ModelInfer", **infer_fields(np.array(values, np.float32)))
        answer = await door.ask("ModelInfer", **infer_fields(np.array(values, dtype)))
        assert answer.raw_output_contents == due.raw_output_contents


@on_a_loop
async def test_symbols_are_taken_in_either_width_and_either_form():
    async with GrpcDoor() as door:
        wide = infer_fields(np.array([[1, 2, 3]], np.int64), model="letters")
        narrow = infer_fields(np.array([[1, 2, 3]], np.int32), model="letters")
        tensor = narrow["inputs"][0] | {"contents": {"int_contents": [1, 2, 3]}}
        typed = narrow | {"inputs": [tensor], "raw_input_contents": []}
        answers = [await door.ask("ModelInfer", **fields) for fields in (wide, narrow, typed)]
        assert len({rows_of(answer)[0] for answer in answers}) == 1


@on_a_loop
async def test_only_the_outputs_that_are_asked_for_come_back():
    async with GrpcDoor() as door:
        fields = infer_fields(np.zeros((2, 3, 2), np.float32), [1, 3], "running")
        answer = await door.ask("ModelInfer", **fields, outputs=[{"name": "lengths"}], id="mine")
        assert arrays_of(answer)["lengths"].tolist() == [1, 3]
        assert (len(answer.outputs), answer.id, answer.model_version) == (1, "mine", "1")
        assert answer.parameters["device"].string_param == "fake"
        assert answer.parameters["compute_us"].int64_param == 1000


def test_one_server_answers_a_crowd_of_many_lengths():
    @on_a_loop
    async def scenario():
        async with GrpcDoor() as door:
            lengths = [1 + number % 13 for number in range(200)]
            fields = [infer_fields(np.ones((1, steps, 2), np.float32)) for steps in lengths]
            answers = await asyncio.gather(*(door.ask("ModelInfer", **one) for one in fields))
            assert [arrays_of(answer)["output"][0, 0] for answer in answers] == lengths

    scenario()
