"""Triton's sequence parameters by its own clients: a stream in parts is the whole stream."""

from __future__ import annotations

import asyncio
import itertools
import queue

import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from fakes import running_sum
from grpc_door import GrpcDoor
from live_server import LiveServer
from on_a_loop import on_a_loop
from tritonclient.utils import InferenceServerException

WHOLE = np.arange(1, 41, dtype=np.float32).reshape(20, 2)
CUTS = (0, 1, 2, 9, 20)


def parts():
    """Inputs' steps with the flags of each part."""
    for start, end in itertools.pairwise(CUTS):
        yield WHOLE[None, start:end], {"sequence_start": start == 0, "sequence_end": end == CUTS[-1]}


def asked(package, steps):
    return [package.InferInput("sequence", steps.shape, "FP32").set_data_from_numpy(steps)]


@pytest.mark.parametrize("identity", [42, "talk"])
@on_a_loop
async def test_over_http(identity):
    def converse(address) -> list[np.ndarray]:
        with triton_http.InferenceServerClient(address) as client:
            answers = [
                client.infer("running", asked(triton_http, steps), sequence_id=identity, **flags)
                for steps, flags in parts()
            ]
            with pytest.raises(InferenceServerException, match="has ended: closed"):
                client.infer("running", asked(triton_http, WHOLE[None]), sequence_id=identity)
            return [answer.as_numpy("output")[0] for answer in answers]

    async with LiveServer() as server:
        outputs = await asyncio.to_thread(converse, "{}:{}".format(*server.address))
        np.testing.assert_array_equal(np.concatenate(outputs), running_sum(WHOLE))


@pytest.mark.parametrize("identity", [42, "talk"])
@on_a_loop
async def test_over_grpc_and_its_stream(identity):
    def alone(client) -> list[np.ndarray]:
        return [
            client.infer("running", asked(triton_grpc, steps), sequence_id=identity, **flags).as_numpy(
                "output"
            )[0]
            for steps, flags in parts()
        ]

    def in_a_stream(client) -> list[np.ndarray]:
        answers: queue.SimpleQueue = queue.SimpleQueue()
        client.start_stream(lambda result, error: answers.put((result, error)))
        for steps, flags in parts():
            client.async_stream_infer("running", asked(triton_grpc, steps), sequence_id=identity, **flags)
        told = [answers.get(timeout=20) for _ in parts()]
        client.stop_stream()
        assert [error for _, error in told] == [None] * len(told)
        return [result.as_numpy("output")[0] for result, _ in told]

    def converse(address) -> None:
        with triton_grpc.InferenceServerClient(address) as client:
            for way in (alone, in_a_stream):
                np.testing.assert_array_equal(np.concatenate(way(client)), running_sum(WHOLE))

    async with GrpcDoor() as door:
        await asyncio.to_thread(converse, door.address)
