"""Malformed requests over gRPC: the right code, a message that names the field, neighbours unharmed."""

from __future__ import annotations

import asyncio

import grpc
import numpy as np
import pytest
from grpc_door import GrpcDoor, infer_fields, question
from on_a_loop import on_a_loop

from service.api.grpc.messages import ModelInferRequest

PAIR = np.array([[[1, 2], [3, 4]], [[5, 6], [7, 8]]], np.float32)
SEQUENCE = {"name": "sequence", "datatype": "FP32", "shape": [2, 2, 2]}
LENGTHS = {"name": "lengths", "datatype": "INT32", "shape": [2]}
RAW = [PAIR.tobytes()]


def fine(**fields) -> dict:
    return infer_fields(PAIR) | fields


def sequence(raw=RAW, **fields) -> dict:
    return fine(inputs=[SEQUENCE | fields], raw_input_contents=raw)


def lengths(*values, dtype=np.int32, **fields) -> dict:
    raw = [*RAW, np.array(values, dtype).tobytes()]
    return fine(inputs=[SEQUENCE, LENGTHS | fields], raw_input_contents=raw)


def contents(datatype="FP32", shape=(2, 2, 2), **values) -> dict:
    tensor = {"name": "sequence", "datatype": datatype, "shape": shape, "contents": values}
    return fine(inputs=[tensor], raw_input_contents=[])


def letters(*symbols) -> dict:
    return infer_fields(np.array([symbols], np.int32), model="letters")


def parameter(**value) -> dict:
    return fine(parameters={"timeout": value})


NAN = np.full((1, 1, 2), np.nan, np.float32)
HUGE = np.full((1, 1, 2), 1e39)
LONG = np.zeros((1, 51, 2), np.float32)

CASES = [
    ({}, "NOT_FOUND", "model: there is no "),
    (fine(model_name="nobody"), "NOT_FOUND", "model: there is no nobody, the models are: letters, running"),
    (fine(model_version="7"), "NOT_FOUND", "version: sums has no version 7, it has 1"),
    (fine(model_version="01"), "NOT_FOUND", "version: sums has no version 01"),
    (fine(inputs=[]), "INVALID_ARGUMENT", "inputs: sequence is missing"),
    (fine(inputs=[LENGTHS]), "INVALID_ARGUMENT", "inputs: sequence is missing"),
    (fine(inputs=[SEQUENCE, SEQUENCE]), "INVALID_ARGUMENT", "inputs: every input is given once"),
    (fine(inputs=[SEQUENCE, {"name": "state"}]), "INVALID_ARGUMENT", "inputs: unknown input state"),
    (fine(inputs=[SEQUENCE, LENGTHS]), "INVALID_ARGUMENT", "raw_input_contents: 1 tensors, expected 2"),
    (sequence([*RAW, b""]), "INVALID_ARGUMENT", "raw_input_contents: 2 tensors, expected 1"),
    (sequence([RAW[0][:-1]]), "INVALID_ARGUMENT", "sequence: FP32 of shape [2, 2, 2] takes 32 bytes, got 31"),
    (sequence([RAW[0] + b"!"]), "INVALID_ARGUMENT", "takes 32 bytes, got 33"),
    (sequence([b""]), "INVALID_ARGUMENT", "takes 32 bytes, got 0"),
    (sequence([]), "INVALID_ARGUMENT", "sequence.data: 0 values, shape [2, 2, 2] needs 8"),
    (sequence(datatype=""), "INVALID_ARGUMENT", "sequence.datatype: expected FP32 or"),
    (sequence(datatype="BYTES"), "INVALID_ARGUMENT", "sequence.datatype: expected FP32 or"),
    (sequence(datatype="FP64"), "INVALID_ARGUMENT", "sequence: FP64 of shape [2, 2, 2] takes 64 bytes"),
    (sequence(shape=[2, -2, 2]), "INVALID_ARGUMENT", "sequence.shape: expected a list of"),
    (sequence(shape=[1] * 17), "INVALID_ARGUMENT", "sequence.shape: expected a list of at most 16"),
    (sequence(shape=[1 << 62, 1 << 62, 2]), "INVALID_ARGUMENT", "sequence: FP32 of shape"),
    (sequence([b""], shape=[0, 1 << 62, 2]), "INVALID_ARGUMENT", "sequence.shape: "),
    (sequence([b""], shape=[0, 2, 2]), "INVALID_ARGUMENT", "sequences: is empty"),
    (sequence([b""], shape=[2, 0, 2]), "INVALID_ARGUMENT", "is empty"),
    (sequence(shape=[8]), "INVALID_ARGUMENT", "sequence: expected shape [batch, time, 2], got [8]"),
    (sequence(shape=[1, 2, 4]), "INVALID_ARGUMENT", "sequence: expected steps x 2, got 2 x 4"),
    (
        sequence(contents={"fp32_contents": [1]}),
        "INVALID_ARGUMENT",
        "sequence.contents: expected none beside raw_input_contents",
    ),
    (
        sequence([], parameters={"shared_memory_region": {"string_param": "r"}}),
        "INVALID_ARGUMENT",
        "sequence.parameters.shared_memory_region: is not offered",
    ),
    (lengths(0, 2), "INVALID_ARGUMENT", "lengths: expected 1 to 2, got 0 to 2"),
    (lengths(1, 3), "INVALID_ARGUMENT", "lengths: expected 1 to 2, got 1 to 3"),
    (lengths(1, shape=[1]), "INVALID_ARGUMENT", "lengths: expected 2 whole numbers"),
    (
        lengths(1, 2, dtype=np.float32, datatype="FP32"),
        "INVALID_ARGUMENT",
        "lengths.datatype: expected INT32",
    ),
    (contents(fp32_contents=[1, 2]), "INVALID_ARGUMENT", "sequence.data: 2 values, shape [2, 2, 2] needs 8"),
    (
        contents(int_contents=[1] * 8),
        "INVALID_ARGUMENT",
        "sequence.contents: FP32 belongs in fp32_contents, got int_contents",
    ),
    (contents("FP16"), "INVALID_ARGUMENT", "sequence.contents: FP16 has no field there"),
    (infer_fields(NAN), "INVALID_ARGUMENT", "sequence: step 0, value 0 is not a finite float32 number"),
    (infer_fields(HUGE), "INVALID_ARGUMENT", "sequence: FP64 value 1e+39 is not exact in FP32"),
    (infer_fields(LONG), "RESOURCE_EXHAUSTED", "sequence: 51 steps, at most 50 are allowed"),
    (letters(0, 8), "INVALID_ARGUMENT", "sequence: step 1 is outside 0 to 7"),
    (letters(-1, 0), "INVALID_ARGUMENT", "sequence: step 0 is outside 0 to 7"),
    (parameter(int64_param=-5), "INVALID_ARGUMENT", "parameters.timeout: expected a number above 0"),
    (parameter(string_param="5"), "INVALID_ARGUMENT", "parameters.timeout: expected a number above 0"),
    (parameter(bool_param=True), "INVALID_ARGUMENT", "parameters.timeout: expected a number above 0"),
    (
        fine(parameters={"sequence_id": {"bool_param": True}}),
        "INVALID_ARGUMENT",
        "parameters.sequence_id: expected a whole number",
    ),
    (fine(parameters={"priority": {"int64_param": -1}}), "INVALID_ARGUMENT", "parameters.priority: expected"),
    (fine(id="x" * 2000), "INVALID_ARGUMENT", "id: expected a string of at most"),
    (
        fine(outputs=[{"name": "state"}]),
        "INVALID_ARGUMENT",
        "outputs: unknown output state, known are output",
    ),
    (fine(outputs=[{"name": "output"}] * 2), "INVALID_ARGUMENT", "outputs: every output is asked for once"),
    (
        fine(outputs=[{"name": "output", "parameters": {"classification": {"int64_param": 3}}}]),
        "INVALID_ARGUMENT",
        "outputs.output.parameters.classification: is not offered",
    ),
]


@pytest.mark.parametrize(("fields", "code", "words"), CASES)
@on_a_loop
async def test_a_malformed_request_is_refused_alike_alone_and_in_a_stream(fields, code, words):
    async with GrpcDoor(max_sequence_steps=50) as door:
        neighbour = await door.memory.hold()
        request = ModelInferRequest(**fields)
        refusal = await door.refusal("ModelInfer", request.SerializeToString())
        assert refusal.code() is grpc.StatusCode[code]
        assert words in refusal.details()
        stream = door.stream()
        await stream.write(request)
        answer = await stream.read()
        assert words in answer.error_message
        assert answer.infer_response.id == request.id
        await stream.write(question())
        door.memory.backends["sums"].gate.set()
        assert not (await stream.read()).error_message
        assert (await neighbour).status_code == 200


@pytest.mark.parametrize("body", [b"\xff", b"\x0a\xff", b'{"inputs": []}'])
@on_a_loop
async def test_bytes_that_are_no_message_are_refused_in_our_words(body):
    async with GrpcDoor() as door:
        refusal = await door.refusal("ModelInfer", body)
        assert refusal.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert refusal.details() == "body: is not a serialized ModelInferRequest"


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
@on_a_loop
async def test_a_message_above_the_limit_is_refused_however_small_it_was_packed(compression):
    async with GrpcDoor(max_body_bytes=10_000) as door:
        body = ModelInferRequest(**infer_fields(np.zeros((1, 1_000_000, 2), np.float32))).SerializeToString()
        refusal = await door.refusal("ModelInfer", body, compression=compression)
        assert refusal.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "larger than max" in refusal.details()


@on_a_loop
async def test_a_compressed_request_is_answered():
    async with GrpcDoor() as door:
        body = question().SerializeToString()
        assert await door.call("ModelInfer", body, compression=grpc.Compression.Gzip)


@on_a_loop
async def test_a_very_long_name_is_refused_in_a_message_that_fits_into_the_trailers():
    async with GrpcDoor() as door:
        body = ModelInferRequest(**fine(inputs=[{"name": "ß🎠" * 50_000}])).SerializeToString()
        refusal = await door.refusal("ModelInfer", body)
        assert refusal.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert refusal.details().startswith("inputs: unknown input ß🎠")


@on_a_loop
async def test_an_unknown_method_is_unimplemented():
    async with GrpcDoor() as door:
        assert (await door.refusal("TraceSetting", b"")).code() is grpc.StatusCode.UNIMPLEMENTED


@on_a_loop
async def test_an_error_nobody_foresaw_is_internal_without_its_inner_words(monkeypatch):
    async with GrpcDoor() as door:
        monkeypatch.setattr(door.memory.carousel.predictor, "infer", asyncio.wait_for)
        refusal = await door.refusal("ModelInfer", question().SerializeToString())
        assert refusal.code() is grpc.StatusCode.INTERNAL
        assert refusal.details().startswith("internal error: see the server's log")


@pytest.mark.parametrize("method", ["ModelMetadata", "ModelConfig", "ModelStatistics"])
@on_a_loop
async def test_a_question_about_a_model_that_is_not_there_is_refused_by_name(method):
    async with GrpcDoor() as door:
        door.memory.carousel.registry.add_failure("broken", "1", "its file is torn")
        for name, code in (("nobody", "NOT_FOUND"), ("broken", "UNAVAILABLE")):
            refusal = await door.refusal(method, b"\x0a" + bytes([len(name)]) + name.encode())
            assert refusal.code() is grpc.StatusCode[code]
            assert refusal.details().startswith("model: ")
