"""Tensors as bytes behind the JSON: what is understood, and what is refused by name."""

from __future__ import annotations

import json

import numpy as np
import pytest
from binary_bodies import LENGTH, announced, ask, framed, outputs_of
from fakes import running_sum
from hypothesis import given
from hypothesis import strategies as st
from memory_server import MemoryServer
from on_a_loop import on_a_loop

ROWS = np.arange(1, 13, dtype=np.float32).reshape(2, 3, 2)
WIDE = ROWS.astype(np.float64)
SEQUENCE = announced("sequence", ROWS)
ENDS = np.array([1, 3], np.int32)
LENGTHS = announced("lengths", ENDS, "INT32")
FINE, FRAME = framed({"inputs": [SEQUENCE]}, ROWS)
HUGE = 1 << 62


def with_sequence(**fields):
    return framed({"inputs": [SEQUENCE | fields]}, ROWS)


def with_size(size):
    return with_sequence(parameters={"binary_data_size": size})


def with_lengths(ends, **fields):
    ends = np.array(ends, np.int32)
    tensor = announced("lengths", ends, "INT32") | fields
    return framed({"inputs": [SEQUENCE, tensor]}, ROWS, ends)


def with_frame(length):
    return FINE, {LENGTH: length}


FAULTS = {
    "length of the JSON too short": (*with_frame("5"), "body: not valid JSON"),
    "length of the JSON reaching into the bytes": (*with_frame(str(len(FINE))), "body: not valid JSON"),
    "length of the JSON beyond the body": (*with_frame("9999"), f"{LENGTH}: 9999 bytes, the body has"),
    "length of the JSON negative": (*with_frame("-1"), f"{LENGTH}: expected a number of bytes"),
    "length of the JSON not a number": (*with_frame("ten"), f"{LENGTH}: expected a number of bytes"),
    "length of the JSON without digits": (*with_frame(""), f"{LENGTH}: expected a number of bytes"),
    "length of the JSON with 5000 digits": (*with_frame("1" * 5000), f"{LENGTH}: expected a number of bytes"),
    "length of the JSON left out": (FINE, {}, "body: not valid JSON"),
    "JSON that is no object": (*framed([], ROWS), "body: expected a JSON object"),
    "size larger than the shape": (*with_size(56), "binary_data_size: 56 bytes, FP32 of shape [2, 3, 2]"),
    "size smaller than the shape": (*with_size(44), "binary_data_size: 44 bytes, FP32 of shape [2, 3, 2]"),
    "size negative": (*with_size(-48), "sequence.parameters.binary_data_size: expected a number of bytes"),
    "size a fraction": (*with_size(48.0), "sequence.parameters.binary_data_size: expected a number of bytes"),
    "size true": (*with_size(True), "sequence.parameters.binary_data_size: expected a number of bytes"),
    "size in words": (*with_size("48"), "sequence.parameters.binary_data_size: expected a number of bytes"),
    "size null": (*with_size(None), "sequence.data: expected a list of steps, got null"),
    "bytes lacking": (FINE[:-4], FRAME, "sequence: FP32 of shape [2, 3, 2] takes 48 bytes, got 44"),
    "bytes missing": (FINE[:-48], FRAME, "sequence: FP32 of shape [2, 3, 2] takes 48 bytes, got 0"),
    "bytes left over": (FINE + b"\0" * 3, FRAME, "body: 3 bytes more than its binary tensors take"),
    "bytes nobody announced": (
        *framed({"inputs": [SEQUENCE | {"parameters": {}, "data": ROWS.tolist()}]}, ROWS),
        "body: 48 bytes more than its binary tensors take",
    ),
    "bytes and data": (*with_sequence(data=[1]), "sequence: has data and binary_data_size, expected one"),
    "shared memory": (
        *with_sequence(parameters={"shared_memory_region": "r", "shared_memory_byte_size": 48}),
        "sequence.parameters.shared_memory_region: is not offered",
    ),
    "parameters in a list": (*with_sequence(parameters=[48]), "sequence.parameters: expected an object"),
    "shape negative": (*with_sequence(shape=[-2, -3, 2]), "sequence.shape: expected a list of"),
    "shape absurd": (*with_sequence(shape=[HUGE, HUGE, 2]), "binary_data_size: 48 bytes, FP32 of shape"),
    "shape absurd and empty": (
        *framed({"inputs": [SEQUENCE | {"shape": [0, HUGE, 4], "parameters": {"binary_data_size": 0}}]}),
        "sequence.shape: ",
    ),
    "shape of another rank": (*with_sequence(shape=[6, 2]), "sequence: expected shape [batch, time, 2], got"),
    "shape with other steps": (*with_sequence(shape=[2, 2, 3]), "expected steps x 2, got 2 x 3"),
    "datatype of another size": (*with_sequence(datatype="FP64"), "FP64 of shape [2, 3, 2] takes 96"),
    "datatype of another kind": (*with_sequence(datatype="INT32"), "sequence.datatype: expected FP32 or"),
    "datatype unknown": (*with_sequence(datatype="FP8"), "sequence.datatype: expected FP32 or FP16 or FP64"),
    "datatype of a dictionary": (*with_sequence(datatype={}), "sequence.datatype: expected FP32 or"),
    "FP64 that FP32 cannot hold": (
        *framed({"inputs": [announced("sequence", WIDE * 0.1, "FP64")]}, WIDE * 0.1),
        "sequence: FP64 value 0.1 is not exact in FP32",
    ),
    "FP64 beyond FP32": (
        *framed({"inputs": [announced("sequence", WIDE * 1e300, "FP64")]}, WIDE * 1e300),
        "is not exact in FP32",
    ),
    "not a number": (
        *framed({"inputs": [SEQUENCE]}, ROWS * np.float32(np.nan)),
        "sequences[0]: step 0, value 0 is not a finite float32 number",
    ),
    "no rows": (
        *framed({"inputs": [announced("sequence", ROWS[:0])]}),
        "sequences: is empty",
    ),
    "unknown name": (*with_sequence(name="state"), "inputs: unknown input state"),
    "name that is no string": (*with_sequence(name=["sequence"]), "inputs: unknown input ['sequence']"),
    "name given twice": (*framed({"inputs": [SEQUENCE] * 2}, ROWS, ROWS), "inputs: every input is given"),
    "lengths alone": (*framed({"inputs": [LENGTHS]}, ENDS), "inputs: sequence is missing"),
    "length of zero": (*with_lengths([0, 3]), "lengths: expected 1 to 3, got 0 to 3"),
    "length beyond the steps": (*with_lengths([1, 4]), "lengths: expected 1 to 3, got 1 to 4"),
    "lengths too many": (*with_lengths([1, 2, 3]), "lengths: expected 2 whole numbers, one per row"),
    "lengths of floats": (*with_lengths([1, 3], datatype="FP32"), "lengths.datatype: expected INT32 or"),
    "raw body of half a step": (b"\0" * 12, {LENGTH: "0"}, "sequence: 12 bytes of raw body, expected a mult"),
    "raw body of nothing": (b"", {LENGTH: "0"}, "sequence: 0 bytes of raw body"),
    "raw body of what is not finite": (b"\xff" * 8, {LENGTH: "0"}, "sequence: step 0, value 0 is not a"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
@on_a_loop
async def test_a_fault_is_refused_by_name_and_the_neighbour_in_flight_is_unharmed(fault):
    body, headers, words = FAULTS[fault]
    async with MemoryServer() as server:
        neighbour = await server.hold()
        refusal = await ask(server, body, headers)
        server.backends["sums"].gate.set()
        answer = (await neighbour).json()["predictions"][0]["output"]
        message = refusal.json()["error"]
        assert (refusal.status_code, words in message) == (400, True), message
        assert answer == running_sum(np.array([[n, 1] for n in range(3)]))[-1].tolist()
        assert len(server.backends["sums"].batches) == 1


@given(st.binary(max_size=60), st.integers(0, 60))
def test_any_bytes_at_all_are_answered_or_refused(noise, length):
    @on_a_loop
    async def scenario():
        async with MemoryServer() as server:
            reply = await ask(server, noise, {LENGTH: str(length)})
            assert reply.status_code in {200, 400}
            assert reply.status_code == 200 or reply.json()["error"]

    scenario()


@pytest.mark.parametrize("content_type", ["application/octet-stream", "application/json"])
@on_a_loop
async def test_bytes_come_under_either_content_type(content_type):
    async with MemoryServer() as server:
        answer = await ask(server, FINE, FRAME | {"content-type": content_type})
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        assert LENGTH not in answer.headers


@on_a_loop
async def test_a_body_that_is_json_to_its_end_may_say_so():
    body, frame = framed({"inputs": [SEQUENCE | {"parameters": {}, "data": ROWS.tolist()}]})
    async with MemoryServer() as server:
        answer = await ask(server, body, frame | {"content-type": "application/octet-stream"})
        assert outputs_of(answer)["output"].tolist() == [running_sum(row)[-1].tolist() for row in ROWS]


@on_a_loop
async def test_a_raw_body_is_one_sequence_and_its_answer_is_bytes():
    async with MemoryServer() as server:
        raw = {LENGTH: "0", "content-type": "application/octet-stream"}
        answer = await ask(server, ROWS[0].tobytes(), raw, "running")
        assert answer.headers["content-type"] == "application/octet-stream"
        outputs = outputs_of(answer)
        assert outputs["output"].tobytes() == running_sum(ROWS[0]).tobytes()
        assert outputs["lengths"].tolist() == [3]
        letters = np.array([3, 1, 4], np.int32)
        answer = await ask(server, letters.tobytes(), raw, "letters")
        assert outputs_of(answer)["output"].tobytes() == running_sum(letters).tobytes()


@pytest.mark.parametrize("all_binary", [True, False])
@pytest.mark.parametrize("own", [True, False, None])
@on_a_loop
async def test_an_output_s_own_word_goes_before_the_request_s(all_binary, own):
    own_parameters = {} if own is None else {"parameters": {"binary_data": own}}
    request = {
        "inputs": [SEQUENCE, LENGTHS],
        "outputs": [{"name": "output", **own_parameters}, {"name": "lengths"}],
        "parameters": {"binary_data_output": all_binary},
    }
    async with MemoryServer() as server:
        answer = await ask(server, *framed(request, ROWS, ENDS), "running")
        told = json.loads(answer.content[: int(answer.headers.get(LENGTH, len(answer.content)))])
        is_binary = ["parameters" in output for output in told["outputs"]]
        assert is_binary == [all_binary if own is None else own, all_binary]
        assert (answer.headers["content-type"] == "application/octet-stream") == any(is_binary)
        assert outputs_of(answer)["lengths"].tolist() == [1, 3]


@pytest.mark.parametrize("blanks", range(4))
@on_a_loop
async def test_bytes_need_not_be_aligned(blanks):
    header = json.dumps({"inputs": [SEQUENCE]}).encode() + b" " * blanks
    async with MemoryServer() as server:
        answer = await ask(server, header + ROWS.tobytes(), {LENGTH: str(len(header))})
        due = np.stack([running_sum(row)[-1] for row in ROWS])
        assert outputs_of(answer)["output"].tobytes() == due.tobytes()
