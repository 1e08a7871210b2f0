"""TensorRT's element types and weights as NumPy arrays."""

from __future__ import annotations

import ctypes
from typing import Any

import ml_dtypes
import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

_DTYPES = {
    "FLOAT": np.float32,
    "HALF": np.float16,
    "BF16": ml_dtypes.bfloat16,
    "INT32": np.int32,
    "INT64": np.int64,
    "BOOL": np.bool_,
}


class UnknownLayer(NotImplementedError):
    """A layer, operation or type that nobody has taught the interpreter yet."""


def look_up(table: dict[str, Any], kind: Any, layer: Any) -> Any:
    """What a table has for one of TensorRT's enumerators; raises UnknownLayer."""
    if kind.name not in table:
        known = ", ".join(sorted(table))
        raise UnknownLayer(f"layer {layer.name!r}: {kind} is not interpreted, expected one of {known}")
    return table[kind.name]


def dtype_of(tensor: Any) -> np.dtype[Any]:
    return np.dtype(look_up(_DTYPES, tensor.dtype, tensor))


def widened(array: Array) -> Array:
    """Half floats as float32: a layer computes in float32 and rounds what comes out."""
    return array.astype(np.float32) if array.dtype in (np.float16, ml_dtypes.bfloat16) else array


class _Weights(ctypes.Structure):
    _fields_ = (("dtype", ctypes.c_int32), ("values", ctypes.c_void_p), ("count", ctypes.c_int64))


def weights_as_array(weights: Any) -> Array:
    """A copy of a layer's weights, flat. The bindings give no array for bfloat16: its bytes are read."""
    if isinstance(weights, np.ndarray):
        return np.array(weights).ravel()
    held = _Weights.from_address(ctypes.c_void_p.from_address(id(weights) + object.__basicsize__).value or 0)
    is_bfloat16 = weights.dtype.name == "BF16"
    if not is_bfloat16 or (held.dtype, held.count) != (int(weights.dtype), weights.size):
        raise UnknownLayer(f"weights of {weights.dtype} cannot be read")
    content = ctypes.string_at(held.values or 0, weights.nbytes)
    return np.frombuffer(content, ml_dtypes.bfloat16).copy()
