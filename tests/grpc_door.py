"""A memory server behind gRPC, and a client that can send any message or any bytes."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Self

import grpc
import numpy as np
from memory_server import MemoryServer

from service.api.grpc.messages import SERVICE, ModelInferRequest, ModelStreamInferResponse, message_class

_LONGEST_WAIT_S = 20.0
_DTYPES = {"float32": "FP32", "float64": "FP64", "float16": "FP16", "int32": "INT32", "int64": "INT64"}


class GrpcDoor:
    """`async with GrpcDoor(…)`: the settings are MemoryServer's."""

    def __init__(self, **settings: Any) -> None:
        self.memory = MemoryServer(**settings)
        self.address = ""

    async def __aenter__(self) -> Self:
        await self.memory.__aenter__()
        carousel = self.memory.carousel
        self.server = carousel.grpc_server()
        self.address = await self.server.start(0)
        self.channel = grpc.aio.insecure_channel(self.address)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for backend in self.memory.backends.values():
            backend.gate.set()
        await self.channel.close()
        await self.server.stop()
        await self.memory.__aexit__(kind, error, trace)

    def call(self, method: str, body: bytes, **options: Any) -> Any:
        """A call of a method of the service with these bytes; awaited, it gives the answer's."""
        return self.channel.unary_unary(f"/{SERVICE}/{method}")(body, **options)

    async def ask(self, method: str, **fields: Any) -> Any:
        """The response's message to a request's fields."""
        request = message_class(f"{method}Request")(**fields)
        answer = await self.call(method, request.SerializeToString(), timeout=_LONGEST_WAIT_S)
        return message_class(f"{method}Response").FromString(answer)

    async def refusal(self, method: str, body: bytes, **options: Any) -> grpc.aio.AioRpcError:
        """How these bytes are refused."""
        try:
            await self.call(method, body, **{"timeout": _LONGEST_WAIT_S} | options)
        except grpc.aio.AioRpcError as refused:
            return refused
        raise AssertionError("was answered")

    def stream(self, **options: Any) -> Any:
        """A stream that is written and read by hand; it takes requests and gives responses."""
        return self.channel.stream_stream(
            f"/{SERVICE}/ModelStreamInfer",
            request_serializer=ModelInferRequest.SerializeToString,
            response_deserializer=ModelStreamInferResponse.FromString,
        )(**{"timeout": _LONGEST_WAIT_S} | options)

    async def until(self, condition: Any) -> None:
        """Let the loop turn until something is so."""
        async with asyncio.timeout(_LONGEST_WAIT_S):
            while not condition():
                await asyncio.to_thread(int)


def infer_fields(sequence: Any, lengths: list[int] | None = None, model: str = "sums") -> dict[str, Any]:
    """A request's fields: `sequence [batch, time, *step]`, raw."""
    arrays = {"sequence": np.asarray(sequence)}
    if lengths is not None:
        arrays["lengths"] = np.array(lengths, np.int32)
    return {
        "model_name": model,
        "inputs": [
            {"name": name, "datatype": _DTYPES[array.dtype.name], "shape": array.shape}
            for name, array in arrays.items()
        ],
        "raw_input_contents": [array.tobytes() for array in arrays.values()],
    }


def question(*values: float) -> Any:
    """A request for one step of `sums`."""
    return ModelInferRequest(**infer_fields(np.array([[values or (1, 2)]], np.float32)))


def arrays_of(response: Any) -> dict[str, np.ndarray]:
    """A ModelInferResponse's outputs by name."""
    dtypes = {"FP32": np.float32, "INT32": np.int32}
    return {
        tensor.name: np.frombuffer(raw, dtypes[tensor.datatype]).reshape(tensor.shape)
        for tensor, raw in zip(response.outputs, response.raw_output_contents, strict=True)
    }
