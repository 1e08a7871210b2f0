"""ModelStreamInfer: in order, one refusal does not end it, and many at once."""

from __future__ import annotations

import asyncio

import grpc
import numpy as np
from grpc_door import GrpcDoor, arrays_of, infer_fields, question
from on_a_loop import on_a_loop

from service.api.grpc.messages import ModelInferRequest


def asked(identity: str, steps: int = 1, **fields):
    return ModelInferRequest(**infer_fields(np.ones((1, steps, 2), np.float32)) | fields, id=identity)


@on_a_loop
async def test_answers_come_in_the_order_of_the_questions_and_a_refusal_is_one_of_them():
    async with GrpcDoor() as door:
        stream = door.stream()
        for number in range(300):
            model = "nobody" if number % 7 == 3 else "sums"
            await stream.write(asked(str(number), steps=1 + number % 5, model_name=model))
        await stream.done_writing()
        answers = [answer async for answer in stream]
        assert [answer.infer_response.id for answer in answers] == [str(number) for number in range(300)]
        for number, answer in enumerate(answers):
            if number % 7 == 3:
                assert answer.error_message.startswith("model: there is no nobody")
            else:
                assert arrays_of(answer.infer_response)["output"][0, 0] == 1 + number % 5
        assert await stream.code() is grpc.StatusCode.OK


@on_a_loop
async def test_requests_of_one_stream_share_a_batch():
    async with GrpcDoor() as door:
        running = await door.memory.hold()
        stream = door.stream()
        for number in range(10):
            await stream.write(asked(str(number)))
        await door.until(lambda: door.memory.metric("waiting_sequences", model="sums", version="1") == 10)
        door.memory.backends["sums"].gate.set()
        assert [(await stream.read()).infer_response.id for _ in range(10)] == list("0123456789")
        assert (await running).status_code == 200
        assert [len(lengths) for lengths in door.memory.backends["sums"].batches] == [1, 10]


async def one_of_many(door: GrpcDoor, name: int) -> list[float]:
    stream = door.stream()
    for turn in range(5):
        await stream.write(question(name, turn))
    await stream.done_writing()
    return [float(arrays_of(answer.infer_response)["output"][0, 1]) async for answer in stream]


@on_a_loop
async def test_a_hundred_streams_at_once_each_get_their_own_answers():
    async with GrpcDoor() as door:
        answers = await asyncio.gather(*(one_of_many(door, name) for name in range(100)))
        assert answers == [[name + 3.0 * turn for turn in range(5)] for name in range(100)]


@on_a_loop
async def test_a_client_that_leaves_while_its_answers_are_on_their_way_is_no_fault_of_the_server(logged):
    async with GrpcDoor() as door:
        for _ in range(20):
            unread = door.stream()
            for number in range(100):
                await unread.write(asked(str(number), steps=2000, model_name="running"))
            unread.cancel()
        await door.until(lambda: door.memory.metric("rejected_total", reason="client_gone") == 20)
        assert (await door.ask("ModelInfer", **infer_fields(np.ones((1, 1, 2), np.float32)))).outputs
    assert not [record for record in logged if "raised by servicer method" in record.getMessage()]


@on_a_loop
async def test_a_stream_that_is_cancelled_leaves_its_neighbours_alone():
    async with GrpcDoor() as door:
        running = await door.memory.hold()
        left, stays = door.stream(), door.stream()
        for number in range(3):
            await left.write(question(5, number))
        await stays.write(question(7, 7))
        await door.until(lambda: door.memory.metric("waiting_sequences", model="sums", version="1") == 4)
        left.cancel()
        await door.until(lambda: door.memory.metric("rejected_total", reason="client_gone") == 1)
        door.memory.backends["sums"].gate.set()
        assert arrays_of((await stays.read()).infer_response)["output"][0, 1] == 28.0
        assert (await running).status_code == 200
        assert door.memory.backends["sums"].names[1:] == [[7.0]]


@on_a_loop
async def test_bytes_that_are_no_message_are_refused_and_the_stream_goes_on():
    async with GrpcDoor() as door:
        raw = door.channel.stream_stream("/inference.GRPCInferenceService/ModelStreamInfer")(timeout=20)
        await raw.write(b"\xff")
        assert b"body: is not a serialized ModelInferRequest" in await raw.read()
        await raw.write(question().SerializeToString())
        assert b"error" not in await raw.read()


@on_a_loop
async def test_a_timeout_of_one_request_does_not_end_its_stream():
    async with GrpcDoor() as door:
        running = await door.memory.hold()
        stream = door.stream()
        await stream.write(asked("late", parameters={"timeout": {"int64_param": 50_000}}))
        assert (await stream.read()).error_message.startswith("timeout:")
        door.memory.backends["sums"].gate.set()
        await stream.write(asked("again"))
        assert (await stream.read()).infer_response.id == "again"
        assert (await running).status_code == 200
