"""POST /v2/models/{model}/infer: what only this protocol knows: tensors, lengths, named outputs."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import running_sum
from memory_server import MemoryServer
from on_a_loop import on_a_loop

SEQUENCE = {"name": "sequence", "datatype": "FP32", "shape": [2, 2, 2], "data": [1, 2, 3, 4, 5, 6, 7, 8]}
LENGTHS = {"name": "lengths", "datatype": "INT32", "shape": [2], "data": [1, 2]}
HUGE = 1 << 63


def sequence(**fields) -> dict:
    return {"inputs": [SEQUENCE | fields]}


def asking(parameters) -> dict:
    return sequence() | {"outputs": [{"name": "output", "parameters": parameters}]}


def lengths(**fields) -> dict:
    return {"inputs": [SEQUENCE, LENGTHS | fields]}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "inputs: expected a list of tensors"),
        ({"inputs": {}}, "inputs: expected a list of tensors"),
        ({"inputs": [5]}, "inputs: expected a list of tensors"),
        ({"inputs": []}, "inputs: sequence is missing"),
        ({"inputs": [LENGTHS]}, "inputs: sequence is missing"),
        ({"inputs": [SEQUENCE, SEQUENCE]}, "inputs: every input is given once"),
        (
            {"inputs": [SEQUENCE, {"name": "state"}]},
            "inputs: unknown input state, known are sequence, lengths",
        ),
        ({"inputs": [SEQUENCE, {}]}, "inputs: unknown input None"),
        (sequence(datatype="BYTES"), "sequence.datatype: expected FP32 or FP16 or FP64, got BYTES"),
        (sequence(datatype="INT64"), "sequence.datatype: expected FP32 or FP16 or FP64, got INT64"),
        (sequence(datatype="FP16"), "sequence.datatype: FP16 travels as binary only, in JSON send FP32"),
        (
            sequence(datatype="FP64", data=[1, 2, 3, 0.1, 5, 6, 7, 8]),
            "sequence: FP64 value 0.1 is not exact in FP32",
        ),
        (
            sequence(datatype="FP64", data=[1, 2, 3, 4, 5, 6, 7, (1 << 24) + 1]),
            "sequence: FP64 value 16777217.0 is not exact in FP32",
        ),
        (sequence(datatype=None), "sequence.datatype: expected FP32 or FP16 or FP64, got None"),
        (sequence(datatype=["FP32"]), "sequence.datatype: expected FP32"),
        (sequence(shape=[2, 2]), "sequence.data: 8 values, shape [2, 2] needs 4"),
        (sequence(shape=[8]), "sequence: expected shape [batch, time, 2], got [8]"),
        (sequence(shape=[1, 2, 4]), "sequence: expected steps x 2, got 2 x 4"),
        (sequence(shape=[2, 4, 1]), "expected steps x 2, got 4 x 1"),
        (sequence(shape=[2, 2, 2, 1]), "sequence: expected shape [batch, time, 2], got [2, 2, 2, 1]"),
        (sequence(shape=None), "sequence.shape: expected a list of"),
        (sequence(shape="222"), "sequence.shape: expected a list of"),
        (sequence(shape=[2, 2, -2]), "sequence.shape: expected a list of"),
        (sequence(shape=[2, 2, 2.0]), "sequence.shape: expected a list of"),
        (sequence(shape=[2, 2, True]), "sequence.shape: expected numbers, got true or false"),
        (sequence(shape=[1] * 70), "sequence.shape: expected a list of"),
        (sequence(shape=[0, 2, 2], data=[]), "sequences: is empty"),
        (sequence(shape=[2, 0, 2], data=[]), "is empty"),
        (sequence(shape=[HUGE, 2, 2]), f"sequence.data: 8 values, shape [{HUGE}, 2, 2] needs {HUGE * 4}"),
        (sequence(shape=[1 << 32, 1 << 32, 2], data=[]), "sequence.data: 0 values, shape"),
        (sequence(shape=[0, HUGE, 2], data=[]), "sequence.shape: "),
        (sequence(data=None), "sequence.data: expected a list of steps, got null"),
        (sequence(data="12345678"), "sequence.data: expected a list of steps, got a string"),
        (sequence(data=[[[1, 2], [3, 4]]] * 3), "sequence.data: 12 values, shape [2, 2, 2] needs 8"),
        (
            sequence(data=[[1, 2], [3, 4], [5, 6], [7, 8]]),
            "sequence.data: is of shape [4, 2], declared [2, 2, 2]",
        ),
        (sequence(data=[[1, 2], [3, 4, 5], 6, 7, 8]), "sequence.data: lists side by side differ in shape"),
        (sequence(data=[1, 2, 3, 4, 5, 6, 7, 1e39]), "sequences[1]: step 1, value 1 is not a finite float32"),
        (lengths(data=[0, 2]), "lengths: expected 1 to 2, got 0 to 2"),
        (lengths(data=[-1, 2]), "lengths: expected 1 to 2, got -1 to 2"),
        (lengths(data=[1, 3]), "lengths: expected 1 to 2, got 1 to 3"),
        (lengths(data=[1, HUGE]), "lengths: "),
        (lengths(data=[1.0, 2.0]), "lengths: expected 2 whole numbers, one per row of sequence"),
        (lengths(data=["1", "2"]), "lengths: expected 2 whole numbers, one per row of sequence"),
        (lengths(data=[True, True]), "lengths.data: expected numbers, got true or false"),
        (lengths(data=[None, 2]), "lengths: expected 2 whole numbers, one per row of sequence"),
        (lengths(data=[1], shape=[1]), "lengths: expected 2 whole numbers, one per row of sequence"),
        (lengths(shape=[1, 2]), "lengths: expected 2 whole numbers, one per row of sequence"),
        (lengths(shape=[]), "lengths.data: 2 values, shape [] needs 1"),
        (lengths(data=[], shape=[0]), "lengths: expected 2 whole numbers, one per row of sequence"),
        (lengths(datatype="FP32"), "lengths.datatype: expected INT32 or INT64, got FP32"),
        (sequence() | {"parameters": []}, "parameters: expected an object"),
        (sequence() | {"parameters": "fast"}, "parameters: expected an object"),
        (sequence() | {"outputs": "output"}, "outputs: expected a list of objects with a name"),
        (sequence() | {"outputs": ["output"]}, "outputs: expected a list of objects with a name"),
        (
            sequence() | {"outputs": [{"name": "state"}]},
            "outputs: unknown output state, known are output",
        ),
        (
            sequence() | {"outputs": [{"name": "lengths"}]},
            "outputs: unknown output lengths, known are output",
        ),
        (sequence() | {"outputs": [{}]}, "outputs: unknown output None"),
        (sequence() | {"outputs": [{"name": "output"}] * 2}, "outputs: every output is asked for once"),
        (asking(5), "outputs.output.parameters: expected an object"),
        (asking({"binary_data": 1}), "outputs.output.parameters.binary_data: expected true or false"),
        (asking({"classification": 2}), "outputs.output.parameters.classification: is not offered"),
        (asking({"shared_memory_region": "r"}), "outputs.output.parameters.shared_memory_region: is not off"),
        (sequence() | {"id": 42}, "id: expected a string of at most 1024 characters"),
        (sequence() | {"id": "x" * 1025}, "id: expected a string of at most 1024 characters"),
        (sequence(parameters=5), "sequence.parameters: expected an object"),
        (
            sequence(parameters={"shared_memory_region": "r"}),
            "sequence.parameters.shared_memory_region: is no",
        ),
        (sequence(parameters={"binary_data_size": 32}), "sequence: has data and binary_data_size"),
        *(
            (sequence() | {"parameters": {name: value}}, f"parameters.{name}: ")
            for name, value in [
                ("priority", -1),
                ("priority", 1.5),
                ("priority", "high"),
                ("sequence_id", 7.5),
                ("sequence_id", [7]),
                ("binary_data_output", "yes"),
            ]
        ),
        (sequence() | {"model_name": "running"}, "model_name: got running, the path asks sums"),
    ],
)
@on_a_loop
async def test_tensors_that_do_not_fit_are_refused_by_name_and_nothing_runs(body, words):
    async with MemoryServer() as server:
        refusal = await server.post("/v2/models/sums/infer", body)
        assert refusal.status_code == 400
        assert words in refusal.json()["error"]
        assert server.backends["sums"].batches == []


@pytest.mark.parametrize("model", ["sums", "running"])
@on_a_loop
async def test_flat_and_nested_data_have_the_same_answer(model):
    nested = np.array(SEQUENCE["data"]).reshape(2, 2, 2).tolist()
    async with MemoryServer() as server:
        answers = [
            (await server.post(f"/v2/models/{model}/infer", sequence(data=data))).json()["outputs"]
            for data in (SEQUENCE["data"], nested)
        ]
        assert answers[0] == answers[1]


@pytest.mark.parametrize("shape", [[2], [2, 1]])
@pytest.mark.parametrize("datatype", ["INT32", "INT64"])
@on_a_loop
async def test_without_lengths_rows_are_full_and_with_them_they_end_there(datatype, shape):
    rows = np.array(SEQUENCE["data"]).reshape(2, 2, 2)
    async with MemoryServer() as server:
        full = (await server.post("/v2/models/sums/infer", sequence())).json()["outputs"]
        assert full[0]["data"] == [*running_sum(rows[0])[-1], *running_sum(rows[1])[-1]]
        cut = (await server.post("/v2/models/sums/infer", lengths(datatype=datatype, shape=shape))).json()[
            "outputs"
        ]
        assert cut[0]["data"] == [*running_sum(rows[0, :1])[-1], *running_sum(rows[1])[-1]]
        assert cut[0]["shape"] == [2, 2]


@on_a_loop
async def test_step_outputs_are_padded_with_zeros_and_say_where_each_row_ends():
    async with MemoryServer() as server:
        answer = (await server.post("/v2/models/running/infer", lengths())).json()
        output, ends = answer["outputs"]
        rows = np.array(output["data"]).reshape(output["shape"])
        assert (output["name"], ends["name"], ends["data"]) == ("output", "lengths", [1, 2])
        assert rows.shape == (2, 2, 2)
        assert not rows[0, 1].any()


@pytest.mark.parametrize(
    ("wanted", "given"),
    [
        (None, ["output", "lengths"]),
        ([], ["output", "lengths"]),
        ([{"name": "output"}], ["output"]),
        ([{"name": "lengths"}], ["lengths"]),
        ([{"name": "lengths"}, {"name": "output"}], ["output", "lengths"]),
    ],
)
@on_a_loop
async def test_only_outputs_that_are_asked_for_are_given(wanted, given):
    async with MemoryServer() as server:
        body = sequence() | ({} if wanted is None else {"outputs": wanted})
        answer = (await server.post("/v2/models/running/infer", body)).json()
        assert [tensor["name"] for tensor in answer["outputs"]] == given


@on_a_loop
async def test_an_answer_carries_the_request_s_id_the_device_and_the_timings():
    async with MemoryServer() as server:
        parameters = {
            "timeout": 0,
            "priority": 3,
            "sequence_id": 0,
            "binary_data_output": False,
            "tier": "gold",
        }
        body = sequence() | {"id": "42", "model_name": "sums", "parameters": parameters}
        answer = (await server.post("/v2/models/sums/infer", body)).json()
        assert (answer["id"], answer["model_name"], answer["model_version"]) == ("42", "sums", "1")
        assert answer["parameters"]["device"] == "fake"
        assert {"queue_us", "batch_us", "compute_us"} < set(answer["parameters"])
        assert "id" not in (await server.post("/v2/models/sums/infer", sequence())).json()
