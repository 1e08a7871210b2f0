"""tritonclient infers: in bytes and in JSON, packed, at once and later, and is refused as others are."""

from __future__ import annotations

import json
from itertools import product

import numpy as np
import pytest
from fakes import running_sum
from live_server import LiveServer
from on_a_loop import on_a_loop
from triton_conversation import rows, talk, tensor
from tritonclient.http import InferenceServerClient, InferRequestedOutput, InferResult
from tritonclient.http import aio as asynchronous
from tritonclient.utils import InferenceServerException

LENGTHS = np.array([1, 3], np.int32)


@pytest.mark.parametrize(
    ("sequence_is_binary", "lengths_is_binary", "output_is_binary", "ends_is_binary"),
    list(product([True, False], repeat=4)),
)
@on_a_loop
async def test_tensors_travel_as_bytes_or_in_json_in_any_mixture(
    sequence_is_binary, lengths_is_binary, output_is_binary, ends_is_binary
):
    inputs = [tensor("sequence", rows(), sequence_is_binary), tensor("lengths", LENGTHS, lengths_is_binary)]
    wanted = [
        InferRequestedOutput("output", binary_data=output_is_binary),
        InferRequestedOutput("lengths", binary_data=ends_is_binary),
    ]
    async with LiveServer() as server:
        answer = await talk(server, lambda client: client.infer("running", inputs, outputs=wanted))
        told = [("data" in output) for output in answer.get_response()["outputs"]]
        assert told == [not output_is_binary, not ends_is_binary]
        assert answer.as_numpy("lengths").tolist() == [1, 3]
        output = answer.as_numpy("output")
        assert output[0, :1].tobytes() == running_sum(rows()[0, :1]).tobytes()
        assert output[1].tobytes() == running_sum(rows()[1]).tobytes()
        assert not output[0, 1:].any()


@on_a_loop
async def test_by_default_everything_comes_as_bytes():
    async with LiveServer() as server:
        answer = await talk(server, lambda client: client.infer("running", [tensor("sequence", rows())]))
        sizes = [output["parameters"]["binary_data_size"] for output in answer.get_response()["outputs"]]
        assert sizes == [answer.as_numpy("output").nbytes, answer.as_numpy("lengths").nbytes]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@on_a_loop
async def test_floats_of_other_widths_are_converted_where_nothing_is_lost(dtype):
    async with LiveServer() as server:
        inputs = [tensor("sequence", rows().astype(dtype)), tensor("lengths", LENGTHS.astype(np.int64))]
        answer = await talk(server, lambda client: client.infer("sums", inputs))
        due = [running_sum(rows()[0, :1])[-1], running_sum(rows()[1])[-1]]
        assert answer.as_numpy("output").tobytes() == np.stack(due).tobytes()


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
@on_a_loop
async def test_symbols_are_whole_numbers_of_either_width(dtype):
    symbols = np.array([[0, 7, 3]], dtype)
    async with LiveServer() as server:
        answer = await talk(server, lambda client: client.infer("letters", [tensor("sequence", symbols)]))
        assert answer.as_numpy("output")[0].tobytes() == running_sum(symbols[0]).tobytes()


@pytest.mark.parametrize("packed", ["gzip", "deflate", None])
@pytest.mark.parametrize("unpacked", ["gzip", "deflate", None])
@pytest.mark.parametrize("is_binary", [True, False])
@on_a_loop
async def test_both_ways_can_be_packed(packed, unpacked, is_binary):
    many = rows(4, 200)

    def ask(client: InferenceServerClient) -> InferResult:
        return client.infer(
            "running",
            [tensor("sequence", many, is_binary)],
            outputs=[InferRequestedOutput("output", binary_data=is_binary)],
            request_compression_algorithm=packed,
            response_compression_algorithm=unpacked,
        )

    async with LiveServer() as server:
        output = (await talk(server, ask)).as_numpy("output")
        assert output.tobytes() == np.stack([running_sum(row) for row in many]).tobytes()


@on_a_loop
async def test_requests_in_flight_together_are_answered_each_with_its_own():
    def ask(client: InferenceServerClient) -> list[InferResult]:
        asked = [
            client.async_infer("sums", [tensor("sequence", rows(1) * number)], request_id=str(number))
            for number in range(1, 9)
        ]
        return [request.get_result() for request in asked]

    async with LiveServer() as server:
        answers = await talk(server, ask, concurrency=4)
        assert [answer.get_response()["id"] for answer in answers] == [str(n) for n in range(1, 9)]
        for number, answer in enumerate(answers, 1):
            due = running_sum(rows(1)[0] * number)[-1]
            assert answer.as_numpy("output")[0].tobytes() == due.tobytes()


@on_a_loop
async def test_the_asynchronous_client_has_the_same_answers():
    async with LiveServer() as server:
        host, port = server.address
        async with asynchronous.InferenceServerClient(f"{host}:{port}") as client:
            assert await client.is_server_ready()
            answer = await client.infer("sums", [tensor("sequence", rows(1))])
            assert answer.as_numpy("output").tobytes() == running_sum(rows(1)[0])[-1:].tobytes()


@on_a_loop
async def test_a_body_made_without_sending_it_is_a_body_that_is_understood():
    body, length = InferenceServerClient.generate_request_body([tensor("sequence", rows(1))])
    async with LiveServer() as server:
        reply = await server.memory.post(
            "/v2/models/sums/infer", bytes(body), **{"inference-header-content-length": str(length)}
        )
        answer = InferenceServerClient.parse_response_body(
            reply.content, header_length=int(reply.headers["inference-header-content-length"])
        )
        assert answer.as_numpy("output").tobytes() == running_sum(rows(1)[0])[-1:].tobytes()


@on_a_loop
async def test_a_timeout_is_in_microseconds_and_priority_and_parameters_of_one_s_own_harm_nothing():
    def ask(client: InferenceServerClient) -> InferResult:
        return client.infer(
            "sums", [tensor("sequence", rows())], priority=2, timeout=500, parameters={"tier": "gold"}
        )

    async with LiveServer() as server:
        held = await server.memory.hold()
        with pytest.raises(InferenceServerException, match="the deadline passed") as refusal:
            await talk(server, ask)
        assert refusal.value.status() == "504"
        server.memory.backends["sums"].gate.set()
        assert (await held).status_code == 200


@pytest.mark.parametrize(
    ("inputs", "settings", "words"),
    [
        ([tensor("state", rows())], {}, "inputs: unknown input state"),
        ([tensor("sequence", rows() * np.float32(np.nan))], {}, "is not a finite float32 number"),
        ([tensor("sequence", rows().astype(np.float64) * 0.1)], {}, "is not exact in FP32"),
        (
            [tensor("sequence", rows())],
            {"outputs": [InferRequestedOutput("output", class_count=1)]},
            "outputs.output.parameters.classification: is not offered",
        ),
    ],
)
@on_a_loop
async def test_what_cannot_be_answered_is_refused_and_the_neighbour_is_unharmed(inputs, settings, words):
    async with LiveServer() as server:
        neighbour = await server.memory.hold()
        with pytest.raises(InferenceServerException, match=words) as refusal:
            await talk(server, lambda client: client.infer("sums", inputs, **settings))
        assert refusal.value.status() == "400"
        server.memory.backends["sums"].gate.set()
        sums = json.loads((await neighbour).content)["predictions"][0]["output"]
        assert sums == running_sum(np.array([[n, 1] for n in range(3)]))[-1].tolist()
