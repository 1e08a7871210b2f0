"""Input tensors of a ModelInferRequest as arrays, and output tensors as a ModelInferResponse's bytes."""

from __future__ import annotations

from typing import Any

import numpy as np

from service.api.grpc.messages import Message
from service.api.open_inference.sequences import check_input_names
from service.api.open_inference.tensors import (
    Tensor,
    array_from_bytes,
    array_from_values,
    checked_datatype,
    checked_shape,
    size_in_bytes,
)
from service.domain.signature import Signature
from service.domain.tensors import Array
from service.errors import InvalidRequest

# Half floats have no field of their own: they travel raw.
_CONTENTS = {
    "FP32": ("fp32_contents", np.float32),
    "FP64": ("fp64_contents", np.float64),
    "INT32": ("int_contents", np.int32),
    "INT64": ("int64_contents", np.int64),
}


def input_arrays(request: Message, signature: Signature) -> dict[str, Array]:
    """Every input by its name, in its declared shape; raises InvalidRequest naming the one at fault."""
    check_input_names(tensor.name for tensor in request.inputs)
    raw = request.raw_input_contents
    if not raw:
        return {tensor.name: _from_contents(tensor, signature) for tensor in request.inputs}
    if len(raw) != len(request.inputs):
        _refuse_shared_memory(request.inputs)
        raise InvalidRequest(f"raw_input_contents: {len(raw)} tensors, expected {len(request.inputs)}")
    return {
        tensor.name: _from_raw(tensor, body, signature)
        for tensor, body in zip(request.inputs, raw, strict=True)
    }


def add_output(response: Message, tensor: Tensor) -> None:
    """Declare an output and append its bytes, little-endian and row-major."""
    response.outputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.values.shape)
    little_endian = tensor.values.dtype.newbyteorder("<")
    response.raw_output_contents.append(tensor.values.astype(little_endian, copy=False).tobytes())


def _from_raw(tensor: Message, body: bytes, signature: Signature) -> Array:
    name = tensor.name
    if tensor.HasField("contents"):
        raise InvalidRequest(f"{name}.contents: expected none beside raw_input_contents")
    datatype = checked_datatype(name, tensor.datatype, signature)
    shape = checked_shape(name, list(tensor.shape))
    if len(body) > size_in_bytes(datatype, shape):
        raise InvalidRequest(
            f"{name}: {datatype} of shape {list(shape)} takes {size_in_bytes(datatype, shape)} bytes, "
            f"got {len(body)}"
        )
    return array_from_bytes(name, datatype, shape, body)


def _from_contents(tensor: Message, signature: Signature) -> Array:
    name = tensor.name
    datatype = checked_datatype(name, tensor.datatype, signature)
    shape = checked_shape(name, list(tensor.shape))
    _refuse_shared_memory([tensor])
    if datatype not in _CONTENTS:
        raise InvalidRequest(f"{name}.contents: {datatype} has no field there, use raw_input_contents")
    field, dtype = _CONTENTS[datatype]
    _check_only(tensor, field)
    values: Any = getattr(tensor.contents, field)
    return array_from_values(name, datatype, shape, np.array(values, dtype))


def _check_only(tensor: Message, field: str) -> None:
    if filled := [given.name for given, _ in tensor.contents.ListFields() if given.name != field]:
        raise InvalidRequest(
            f"{tensor.name}.contents: {tensor.datatype} belongs in {field}, got {', '.join(filled)}"
        )


def _refuse_shared_memory(tensors: Any) -> None:
    for tensor in tensors:
        if "shared_memory_region" in tensor.parameters:
            raise InvalidRequest(
                f"{tensor.name}.parameters.shared_memory_region: is not offered, send raw_input_contents"
            )
