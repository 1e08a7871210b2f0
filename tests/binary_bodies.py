"""Bodies of JSON and bytes, right ones and wrong ones, as they go over the wire."""

from __future__ import annotations

import json
from typing import Any

import httpx
import numpy as np
from memory_server import MemoryServer

from service.domain.tensors import Array

LENGTH = "inference-header-content-length"


def announced(name: str, values: Array, datatype: str = "FP32", **fields: Any) -> dict[str, Any]:
    """A tensor whose values follow the JSON."""
    size = {"binary_data_size": values.nbytes}
    return {"name": name, "datatype": datatype, "shape": list(values.shape), "parameters": size} | fields


def framed(request: dict[str, Any], *values: Array) -> tuple[bytes, dict[str, str]]:
    """The body and the header that says where its JSON ends."""
    header = json.dumps(request).encode()
    return b"".join([header, *(array.tobytes() for array in values)]), {LENGTH: str(len(header))}


async def ask(
    server: MemoryServer, body: bytes, headers: dict[str, str], model: str = "sums"
) -> httpx.Response:
    """The answer to exactly these bytes."""
    return await server.post(f"/v2/models/{model}/infer", body, **headers)


def outputs_of(answer: httpx.Response) -> dict[str, Array]:
    """Every output by name, whether it came in JSON or as bytes."""
    end = int(answer.headers.get(LENGTH, len(answer.content)))
    told, offset, outputs = json.loads(answer.content[:end]), end, {}
    for tensor in told["outputs"]:
        dtype = np.dtype({"FP32": "<f4", "INT32": "<i4"}[tensor["datatype"]])
        if "data" in tensor:
            values = np.array(tensor["data"], dtype)
        else:
            size = tensor["parameters"]["binary_data_size"]
            values = np.frombuffer(answer.content[offset : offset + size], dtype)
            offset += size
        outputs[tensor["name"]] = values.reshape(tensor["shape"])
    assert offset == len(answer.content)
    return outputs
