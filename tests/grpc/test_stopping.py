"""The server stops: what was accepted is answered, then everything is closed."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
from pathlib import Path

import grpc
import numpy as np
from carousel_process import CarouselProcess
from grpc_door import GrpcDoor, arrays_of, infer_fields, question
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_health.v1.health_pb2_grpc import HealthStub
from live_server import Connection, request
from on_a_loop import on_a_loop

from service.api.grpc.messages import SERVICE, ModelInferRequest, ModelInferResponse

BODY = question().SerializeToString()


@on_a_loop
async def test_calls_and_streams_in_flight_are_answered_and_new_ones_are_not_accepted():
    async with GrpcDoor() as door:
        running = await door.memory.hold()
        call = asyncio.ensure_future(door.call("ModelInfer", BODY))
        stream, idle = door.stream(), door.stream()
        for number in range(3):
            await stream.write(question(number, 0))
        await idle.write(question(9, 9))
        await door.until(lambda: door.memory.metric("waiting_sequences", model="sums", version="1") == 5)
        stopping = asyncio.create_task(door.server.stop())
        await door.until(door.server._streams._is_closing.is_set)
        refusal = await door.refusal("ModelInfer", BODY)
        assert refusal.code() is grpc.StatusCode.UNAVAILABLE
        assert refusal.details() == "call: the server is shutting down"
        door.memory.backends["sums"].gate.set()
        assert await call
        outputs = [arrays_of((await stream.read()).infer_response)["output"] for _ in range(3)]
        assert [output[0, 1] for output in outputs] == [0, 1, 2]
        assert await idle.read()
        assert [await one.code() for one in (stream, idle)] == [grpc.StatusCode.UNAVAILABLE] * 2
        assert await stream.details() == "stream: the server is shutting down"
        await stopping
        assert (await running).status_code == 200


@on_a_loop
async def test_who_only_watches_does_not_hold_up_the_end():
    async with GrpcDoor() as door:
        watched = HealthStub(door.channel).Watch(HealthCheckRequest())
        assert await watched.read()
        reflected = door.channel.stream_stream(
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
        )()
        await reflected.write(b"\x3a\x00")
        assert await reflected.read()
        async with asyncio.timeout(10):
            await door.server.stop()


@on_a_loop
async def test_a_call_that_outlives_the_time_of_a_request_is_cut_off():
    async with GrpcDoor(default_timeout_s=0.2) as door:
        running = await door.memory.hold()
        fields = infer_fields(np.ones((1, 1, 2), np.float32)) | {
            "parameters": {"timeout": {"int64_param": 60_000_000}}
        }
        call = asyncio.ensure_future(
            door.refusal("ModelInfer", ModelInferRequest(**fields).SerializeToString())
        )
        await door.until(lambda: door.memory.metric("waiting_sequences", model="sums", version="1") == 1)
        await door.server.stop()
        assert (await call).code() is grpc.StatusCode.UNAVAILABLE
        door.memory.backends["sums"].gate.set()
        await running


def grpc_address(server: CarouselProcess) -> str:
    return re.findall(r'"address":"([^"]+)","event":"listening for gRPC"', server.said)[0]


# One row keeps the engine busy, the next is ready behind it; the last, and all that come later, wait.
LONG = infer_fields(np.zeros((3, 600_000), np.int32), model="letters") | {"outputs": [{"name": "lengths"}]}
SHORT = infer_fields(np.zeros((1, 8), np.int32), model="letters")


async def signal_and_collect(server: CarouselProcess) -> list[bytes]:
    """Answers of calls that were all queued, behind a busy engine, when the signal came."""
    host, port = server.address.removeprefix("http://").split(":")
    observer = Connection(*await asyncio.open_connection(host, int(port)))
    async with grpc.aio.insecure_channel(grpc_address(server)) as channel:
        infer = channel.unary_unary(
            f"/{SERVICE}/ModelInfer",
            request_serializer=ModelInferRequest.SerializeToString,
            response_deserializer=ModelInferResponse.FromString,
        )
        calls = [asyncio.ensure_future(infer(ModelInferRequest(**LONG)))]
        # It is long on its way too: what is sent beside it would overtake it.
        while not await waiting(observer):
            pass
        calls += [asyncio.ensure_future(infer(ModelInferRequest(**SHORT))) for _ in range(30)]
        while await waiting(observer) < 31:
            pass
        server.process.send_signal(signal.SIGTERM)
        answers = await asyncio.gather(*calls)
    await observer.leave()
    return answers


async def waiting(observer: Connection) -> float:
    """How many sequences the server says are queued."""
    await observer.send(request("/metrics", b"", "GET"))
    lines = (await observer.reply()).body.decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("carousel_waiting_sequences{"))


def test_a_signal_loses_no_call_and_the_server_ends_well(published):
    with CarouselProcess(
        published, max_batch_rows="1", whole_sequences="letters", max_sequence_steps="1000000"
    ) as server:
        answers = asyncio.run(signal_and_collect(server))
        assert server.wait() == 0
    assert [answer.outputs[0].shape[0] for answer in answers] == [3] + [1] * 30
    assert '"event":"stopped"' in server.said
    assert '"level":"error"' not in server.said


def test_a_port_that_is_taken_is_told_in_one_sentence(published):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with CarouselProcess(published, grpc_port=str(port)) as server:
            assert server.wait() == 1
    assert f"grpc_port: cannot listen on 127.0.0.1:{port}" in server.said
    assert "Traceback" not in server.said


def test_a_server_without_grpc_does_not_load_it(published):
    with CarouselProcess(published, is_started_cold=True, grpc_port="none") as server:
        assert "cygrpc" not in Path(f"/proc/{server.process.pid}/maps").read_text()
    assert "gRPC" not in server.said
