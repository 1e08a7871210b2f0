"""Tensors of the Open Inference Protocol in JSON, to and from arrays."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from service.domain.sequences import nested_list_array
from service.domain.tensors import Array, Datatype
from service.errors import InvalidRequest

_MOST_DIMENSIONS = 16


def tensor_from(tensor: dict[str, Any], expected: Datatype | None) -> Array:
    """A JSON tensor, nested or flat, in its declared shape; raises InvalidRequest naming it."""
    name = tensor.get("name")
    _check_datatype(tensor, expected)
    values = nested_list_array(tensor.get("data"), f"{name}.data")
    shape = _shape(tensor)
    size = prod(shape)
    if values.size != size:
        raise InvalidRequest(f"{name}.data: {values.size} values, shape {list(shape)} needs {size}")
    if values.ndim != 1 and values.size and values.shape != shape:
        raise InvalidRequest(f"{name}.data: is of shape {list(values.shape)}, declared {list(shape)}")
    try:
        return values.reshape(shape)
    except (ValueError, OverflowError):
        # A shape with a zero in it can have extents beyond NumPy's.
        raise InvalidRequest(f"{name}.shape: {list(shape)} is not possible") from None


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
    if (
        not isinstance(shape, list)
        or len(shape) > _MOST_DIMENSIONS
        or not all(type(extent) is int and extent >= 0 for extent in shape)
    ):
        raise InvalidRequest(
            f"{tensor.get('name')}.shape: expected a list of at most {_MOST_DIMENSIONS} whole numbers"
        )
    return tuple(shape)


def _check_datatype(tensor: dict[str, Any], expected: Datatype | None) -> None:
    given = tensor.get("datatype")
    accepted = [expected.value] if expected else [Datatype.INT32.value, Datatype.INT64.value]
    if given not in accepted:
        raise InvalidRequest(f"{tensor.get('name')}.datatype: expected {' or '.join(accepted)}, got {given}")
