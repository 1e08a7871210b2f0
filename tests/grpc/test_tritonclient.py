"""The protocol's own Python client, as its users use it: blocking, asynchronous and streaming."""

from __future__ import annotations

import asyncio
import queue

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from grpc_door import GrpcDoor
from on_a_loop import on_a_loop
from tritonclient.utils import InferenceServerException

STEPS = np.array([[[1, 2], [3, 4]], [[5, 6], [0, 0]]], np.float32)
DUE = np.array([[2, 37], [1, 23]], np.float32)


def inputs(values=STEPS, lengths=(2, 1)) -> list:
    sequence = triton.InferInput("sequence", values.shape, "FP32")
    sequence.set_data_from_numpy(values)
    counts = triton.InferInput("lengths", [len(lengths)], "INT32")
    counts.set_data_from_numpy(np.array(lengths, np.int32))
    return [sequence, counts]


def on_a_thread(scenario):
    """Blocking code beside the loop that serves it."""

    @on_a_loop
    async def run():
        async with GrpcDoor() as door:
            await asyncio.to_thread(scenario, door)

    return run


@on_a_thread
def test_the_blocking_client_s_questions_are_answered(door):
    with triton.InferenceServerClient(door.address) as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("sums", "1")
        assert client.get_server_metadata().name == "carousel"
        metadata = client.get_model_metadata("running")
        assert [tensor.name for tensor in metadata.inputs] == ["sequence", "lengths"]
        assert list(metadata.inputs[0].shape) == [-1, -1, 2]
        config = client.get_model_config("running").config
        assert (config.name, config.max_batch_size, config.input[0].name) == ("running", 1024, "sequence")
        assert config.sequence_batching.max_sequence_idle_microseconds == 300_000_000
        assert config.sequence_batching.oldest.max_candidate_sequences == 10_000
        assert {model.name for model in client.get_model_repository_index().models} == set(
            door.memory.backends
        )


@on_a_thread
def test_the_blocking_client_gets_an_answer_in_every_way_it_asks(door):
    with triton.InferenceServerClient(door.address) as client:
        result = client.infer("sums", inputs(), request_id="r1", client_timeout=20, timeout=20_000_000)
        assert np.array_equal(result.as_numpy("output"), DUE)
        assert result.get_response().id == "r1"
        for algorithm in ("gzip", "deflate"):
            packed = client.infer("sums", inputs(), compression_algorithm=algorithm, client_timeout=20)
            assert np.array_equal(packed.as_numpy("output"), DUE)
        wanted = [triton.InferRequestedOutput("lengths")]
        some = client.infer("running", inputs(), outputs=wanted, client_timeout=20)
        assert some.as_numpy("lengths").tolist() == [2, 1]
        assert some.as_numpy("output") is None


@on_a_thread
def test_the_blocking_client_s_callback_is_called(door):
    answers = queue.Queue()
    with triton.InferenceServerClient(door.address) as client:
        client.async_infer("sums", inputs(), lambda result, error: answers.put((result, error)))
        result, error = answers.get(timeout=20)
    assert error is None
    assert np.array_equal(result.as_numpy("output"), DUE)


@on_a_thread
def test_the_counts_are_those_of_what_was_asked(door):
    with triton.InferenceServerClient(door.address) as client:
        client.infer("sums", inputs(), client_timeout=20)
        (counted,) = client.get_inference_statistics("sums").model_stats
        assert (counted.inference_count, counted.execution_count) == (2, 1)
        assert counted.inference_stats.success.count == 1
        assert counted.inference_stats.compute_infer.ns > 0
        assert len(client.get_inference_statistics().model_stats) == len(door.memory.backends)


@on_a_thread
def test_a_refusal_reaches_the_caller_with_its_code_and_its_words(door):
    with triton.InferenceServerClient(door.address) as client:
        with pytest.raises(InferenceServerException, match="lengths: expected 1 to 2") as refused:
            client.infer("sums", inputs(lengths=(3, 1)), client_timeout=20)
        assert refused.value.status() == str(grpc.StatusCode.INVALID_ARGUMENT)


@on_a_thread
def test_a_stream_of_the_blocking_client_goes_on_after_a_refusal(door):
    answers = queue.Queue()
    with triton.InferenceServerClient(door.address) as client:
        client.start_stream(lambda result, error: answers.put((result, error)))
        for lengths in ((2, 1), (3, 1), (1, 1)):
            client.async_stream_infer("sums", inputs(lengths=lengths))
        first, second, third = (answers.get(timeout=20) for _ in range(3))
        client.stop_stream()
    assert np.array_equal(first[0].as_numpy("output"), DUE)
    assert "lengths: expected 1 to 2" in second[1].message()
    assert third[0].as_numpy("output")[:, 0].tolist() == [1, 1]


async def questions(count: int):
    for number in range(count):
        yield {"model_name": "sums", "inputs": inputs(), "request_id": str(number)}


@on_a_loop
async def test_the_asynchronous_client_asks_one_by_one_and_in_a_stream():
    async with GrpcDoor() as door, triton_aio.InferenceServerClient(door.address) as client:
        assert await client.is_server_ready()
        result = await client.infer("sums", inputs(), client_timeout=20)
        assert np.array_equal(result.as_numpy("output"), DUE)
        answers = [answer async for answer in client.stream_infer(questions(20), stream_timeout=20)]
        assert [error for _, error in answers] == [None] * 20
        assert [result.get_response().id for result, _ in answers] == [str(number) for number in range(20)]


@on_a_loop
async def test_the_asynchronous_client_s_deadline_is_kept():
    async with GrpcDoor() as door, triton_aio.InferenceServerClient(door.address) as client:
        running = await door.memory.hold()
        with pytest.raises(InferenceServerException) as refused:
            await client.infer("sums", inputs(), client_timeout=0.2)
        assert refused.value.status() == str(grpc.StatusCode.DEADLINE_EXCEEDED)
        door.memory.backends["sums"].gate.set()
        assert (await running).status_code == 200
