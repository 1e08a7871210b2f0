"""An answer's bytes: JSON, and behind it the outputs that travel as bytes."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import orjson

from service.api.call import Reply
from service.api.open_inference.body import HEADER_LENGTH
from service.api.open_inference.parameters import answer_parameters
from service.api.open_inference.tensors import Tensor
from service.api.open_inference.tensors_json import tensor_json
from service.domain.inference import InferResult

_BYTES = (b"content-type", b"application/octet-stream")


def encoded(result: InferResult, identity: str, tensors: list[Tensor], binary: Container[str]) -> Reply:
    """The whole answer, in the order of `tensors`; those named in `binary` follow the JSON."""
    answer: dict[str, Any] = {
        "model_name": result.model,
        "model_version": result.version,
        "parameters": answer_parameters(result),
        "outputs": [_announced(t) if t.name in binary else tensor_json(t) for t in tensors],
    }
    if identity:
        answer["id"] = identity
    header = orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
    if not binary:
        return Reply(header)
    raw = [tensor.values.data for tensor in tensors if tensor.name in binary]
    return Reply(b"".join([header, *raw]), _BYTES, ((HEADER_LENGTH, str(len(header)).encode()),))


def _announced(tensor: Tensor) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "datatype": tensor.datatype,
        "shape": list(tensor.values.shape),
        "parameters": {"binary_data_size": tensor.values.nbytes},
    }
