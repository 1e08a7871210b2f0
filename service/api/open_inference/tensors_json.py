"""Tensors of the Open Inference Protocol in JSON, to and from arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from service.api.open_inference.tensors import Tensor, array_from_values
from service.domain.sequences import nested_list_array
from service.domain.tensors import Array
from service.errors import InvalidRequest


def array_from_json(name: str, datatype: str, shape: tuple[int, ...], data: Any) -> Array:
    """A JSON tensor's `data`, nested or flat, in its declared shape; raises InvalidRequest naming it."""
    if datatype == "FP16":
        raise InvalidRequest(f"{name}.datatype: FP16 travels as binary only, in JSON send FP32")
    return array_from_values(name, datatype, shape, nested_list_array(data, f"{name}.data"))


def tensor_json(tensor: Tensor) -> dict[str, Any]:
    """The wire form, data flat in row-major order."""
    return {
        "name": tensor.name,
        "datatype": tensor.datatype,
        "shape": list(tensor.values.shape),
        "data": np.ascontiguousarray(tensor.values).reshape(-1),
    }
