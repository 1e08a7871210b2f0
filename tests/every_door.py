"""One question, asked at every door: the answer's numbers, or the refusal's code and words."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import Any

import grpc
import numpy as np
from binary_bodies import announced, framed, outputs_of
from grpc_door import arrays_of, infer_fields
from questions import Answered, Question, Refusal, Served

from service.api.grpc.messages import SERVICE, ModelInferRequest, ModelInferResponse, ModelStreamInferResponse

_LONGEST_WAIT_S = 20.0
_NAMES = {"float32": "FP32", "int32": "INT32"}


class Door(ABC):
    """A way to ask."""

    @abstractmethod
    async def infer(self, served: Served, question: Question) -> Answered:
        """Raises Refusal."""


class _Http(Door):
    async def _posted(self, served: Served, path: str, body: bytes, headers: dict[str, str]) -> Any:
        reply = await served.http.post(path, content=body, headers=headers, timeout=_LONGEST_WAIT_S)
        if reply.is_error:
            raise Refusal(reply.status_code, reply.json()["error"], reply.headers.get("retry-after"))
        return reply


class Predict(_Http):
    """POST /predict."""

    async def infer(self, served: Served, question: Question) -> Answered:
        body: dict[str, Any] = {"include_outputs": True}
        body["sequences"] = [sequence.tolist() for sequence in question.sequences]
        if question.timeout_s is not None:
            body["timeout_ms"] = question.timeout_s * 1e3
        reply = await self._posted(served, f"/predict/{question.path}", json.dumps(body).encode(), {})
        told = reply.json()
        outputs = [np.array(row["output"], np.float32) for row in told["predictions"]]
        return Answered(outputs, told["version"])


class InferJson(_Http):
    """POST /v2/models/…/infer, JSON both ways."""

    async def infer(self, served: Served, question: Question) -> Answered:
        rows, lengths = question.padded(1)
        inputs = [
            {"name": name, "datatype": _NAMES[v.dtype.name], "shape": v.shape, "data": v.reshape(-1).tolist()}
            for name, v in (("sequence", rows), ("lengths", lengths))
        ]
        return await self._asked(served, question, json.dumps(self._request(question, inputs)).encode(), {})

    def _request(self, question: Question, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        parameters = {} if question.timeout_s is None else {"timeout": round(question.timeout_s * 1e6)}
        return {"id": question.identity, "inputs": inputs, "parameters": parameters | question.parameters}

    async def _asked(
        self, served: Served, question: Question, body: bytes, headers: dict[str, str]
    ) -> Answered:
        reply = await self._posted(served, f"/v2/models/{question.path}/infer", body, headers)
        told = json.loads(reply.content[: int(reply.headers.get("inference-header-content-length", 1 << 40))])
        return Answered(_rows(outputs_of(reply)), told["model_version"], told.get("id"))


class InferBytes(InferJson):
    """The same, bytes both ways; what pads rows is not a number where it can be."""

    async def infer(self, served: Served, question: Question) -> Answered:
        rows, lengths = question.padded(np.nan if question.sequences[0].dtype.kind == "f" else -1)
        inputs = [
            announced("lengths", lengths, "INT32"),
            announced("sequence", rows, _NAMES[rows.dtype.name]),
        ]
        request = self._request(question, inputs)
        request["parameters"] |= {"binary_data_output": True}
        return await self._asked(served, question, *framed(request, lengths, rows))


class GrpcRaw(Door):
    """ModelInfer with raw contents."""

    async def infer(self, served: Served, question: Question) -> Answered:
        asked = self.message(question).SerializeToString()
        try:
            answer = await served.grpc.unary_unary(f"/{SERVICE}/ModelInfer")(asked, timeout=_LONGEST_WAIT_S)
        except grpc.aio.AioRpcError as refused:
            retry_after = dict(refused.trailing_metadata()).get("retry-after")
            raise Refusal(refused.code().name, refused.details() or "", retry_after) from None
        return _answered(ModelInferResponse.FromString(answer))

    def message(self, question: Question) -> Any:
        rows, lengths = question.padded(1)
        fields = infer_fields(rows, lengths, question.model)
        fields["parameters"] = {
            name: {"bool_param" if isinstance(value, bool) else "string_param": value}
            for name, value in question.parameters.items()
        }
        if question.timeout_s is not None:
            fields["parameters"]["timeout"] = {"int64_param": round(question.timeout_s * 1e6)}
        return ModelInferRequest(model_version=question.version or "", id=question.identity, **fields)


class GrpcTyped(GrpcRaw):
    """ModelInfer with typed contents."""

    def message(self, question: Question) -> Any:
        message = super().message(question)
        for tensor, raw in zip(message.inputs, message.raw_input_contents, strict=True):
            if tensor.datatype == "FP32":
                tensor.contents.fp32_contents.extend(np.frombuffer(raw, np.float32))
            else:
                tensor.contents.int_contents.extend(np.frombuffer(raw, np.int32))
        del message.raw_input_contents[:]
        return message


class Stream(GrpcRaw):
    """ModelStreamInfer."""

    async def infer(self, served: Served, question: Question) -> Answered:
        stream = served.grpc.stream_stream(f"/{SERVICE}/ModelStreamInfer")(timeout=_LONGEST_WAIT_S)
        await stream.write(self.message(question).SerializeToString())
        answer = ModelStreamInferResponse.FromString(await stream.read())
        await stream.done_writing()
        assert await stream.code() is grpc.StatusCode.OK
        if answer.error_message:
            raise Refusal(None, answer.error_message)
        return _answered(answer.infer_response)


DOORS: dict[str, Door] = {
    "predict": Predict(),
    "v2 in JSON": InferJson(),
    "v2 in bytes": InferBytes(),
    "gRPC, raw": GrpcRaw(),
    "gRPC, typed": GrpcTyped(),
    "gRPC stream": Stream(),
}


async def refusal(door: Door, served: Served, question: Question) -> Refusal:
    """How a question is refused."""
    try:
        await door.infer(served, question)
    except Refusal as refused:
        return refused
    raise AssertionError("was answered")


def _answered(response: Any) -> Answered:
    return Answered(_rows(arrays_of(response)), response.model_version, response.id)


def _rows(outputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    if "lengths" not in outputs:
        return list(outputs["output"])
    return [row[:end] for row, end in zip(outputs["output"], outputs["lengths"], strict=True)]
