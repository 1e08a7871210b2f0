"""Tensors of the Open Inference Protocol in JSON, to and from arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from service.domain.sequences import nested_list_array
from service.domain.tensors import Array, Datatype
from service.errors import InvalidRequest


def tensor_from(tensor: dict[str, Any], expected: Datatype | None) -> Array:
    """A JSON tensor, nested or flat, in its declared shape; raises InvalidRequest naming it."""
    name = tensor.get("name")
    _check_datatype(tensor, expected)
    values = nested_list_array(tensor.get("data"), f"{name}.data")
    shape = _shape(tensor)
    if values.ndim != 1 and values.shape != shape:
        raise InvalidRequest(f"{name}.data: is of shape {list(values.shape)}, declared {list(shape)}")
    if values.size != int(np.prod(shape)):
        raise InvalidRequest(
            f"{name}.data: {values.size} values, shape {list(shape)} needs {int(np.prod(shape))}"
        )
    return values.reshape(shape)


def tensor_json(name: str, datatype: Datatype, values: Array) -> dict[str, Any]:
    """The wire form, data flat in row-major order."""
    return {
        "name": name,
        "datatype": datatype.value,
        "shape": list(values.shape),
        "data": np.ascontiguousarray(values).reshape(-1),
    }


def _shape(tensor: dict[str, Any]) -> tuple[int, ...]:
    shape = tensor.get("shape")
    is_list = isinstance(shape, list) and all(type(extent) is int and extent >= 0 for extent in shape)
    if not is_list:
        raise InvalidRequest(f"{tensor.get('name')}.shape: expected a list of whole numbers")
    return tuple(shape)  # type: ignore[arg-type]


def _check_datatype(tensor: dict[str, Any], expected: Datatype | None) -> None:
    given = tensor.get("datatype")
    accepted = [expected.value] if expected else [Datatype.INT32.value, Datatype.INT64.value]
    if given not in accepted:
        raise InvalidRequest(f"{tensor.get('name')}.datatype: expected {' or '.join(accepted)}, got {given}")
