"""Calls and streams over gRPC until the server is gone."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc

from load_tests.address import Address
from load_tests.stop.fates import Door, Fate, Fates
from service.api.grpc.messages import (
    SERVICE,
    ModelInferRequest,
    ModelInferResponse,
    ModelStreamInferResponse,
)
from service.domain.tensors import Array

_IN_FLIGHT = 4
_SERVERS_OWN_WORDS = ("shutting down", "draining")
_GRPC_TRIPPED = "Internal error from Core"
_NOBODY_LISTENS = "failed to connect"


def infer_message(model: str, sequence: Array) -> Any:
    """One FP32 sequence as raw bytes."""
    request = ModelInferRequest(model_name=model)
    request.inputs.add(name="sequence", datatype="FP32", shape=[1, *sequence.shape])
    request.raw_input_contents.append(sequence.astype("<f4").tobytes())
    return request


async def call_over_grpc(address: Address, request: Any, fates: Fates) -> None:
    async with grpc.aio.insecure_channel(address.host_header) as channel:
        infer = channel.unary_unary(
            f"/{SERVICE}/ModelInfer",
            request_serializer=ModelInferRequest.SerializeToString,
            response_deserializer=ModelInferResponse.FromString,
        )
        while True:
            try:
                await infer(request)
            except grpc.aio.AioRpcError as failure:
                fates.add(Door.GRPC, fate_of(failure.code(), failure.details() or ""))
                return
            fates.add(Door.GRPC, Fate.ANSWERED)


async def stream_over_grpc(address: Address, request: Any, fates: Fates) -> None:
    """Keeps a few requests in flight; those it still had when the server ended the stream share its fate."""
    async with grpc.aio.insecure_channel(address.host_header) as channel:
        stream = channel.stream_stream(
            f"/{SERVICE}/ModelStreamInfer",
            request_serializer=ModelInferRequest.SerializeToString,
            response_deserializer=ModelStreamInferResponse.FromString,
        )()
        due = 0
        try:
            while True:
                while due < _IN_FLIGHT:
                    due += 1
                    await stream.write(request)
                answer = await stream.read()
                if answer is grpc.aio.EOF:
                    break
                due -= 1
                fates.add(Door.STREAM, Fate.REFUSED if answer.error_message else Fate.ANSWERED)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            pass
        fates.add(Door.STREAM, fate_of(await stream.code(), await stream.details()), due)


def fate_of(code: grpc.StatusCode, details: str) -> Fate:
    """Only the server's own words say that it did not take a request; gRPC's own hide what became of it."""
    if code is grpc.StatusCode.INTERNAL and details == _GRPC_TRIPPED:
        return Fate.HIDDEN
    if code is not grpc.StatusCode.UNAVAILABLE:
        return Fate.LOST
    if _NOBODY_LISTENS in details.lower():
        return Fate.NOT_SENT
    return Fate.REFUSED if any(words in details for words in _SERVERS_OWN_WORDS) else Fate.LOST
