"""Tensors as the Open Inference Protocol names and lays them out, whatever carries them.

A model takes FP32 or INT32 steps. Other widths are converted where that loses nothing: FP16 always, FP64
where float32 holds every value exactly, INT64 where every value is in range. Bytes are little-endian,
row-major, without padding.
"""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np

from service.domain.signature import SEQUENCE, Signature
from service.domain.tensors import Array
from service.errors import InvalidRequest

MOST_DIMENSIONS = 16
_FLOATS = ("FP32", "FP16", "FP64")
_INTEGERS = ("INT32", "INT64")
_DTYPES: dict[str, np.dtype[Any]] = {
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
}


class Tensor(NamedTuple):
    """An output: its name, its datatype's name in the protocol, its contiguous values."""

    name: str
    datatype: str
    values: Array


def checked_datatype(name: str, given: Any, signature: Signature) -> str:
    """The datatype's name; raises InvalidRequest where the input `name` cannot be given in it."""
    takes_floats = name == SEQUENCE and signature.step_datatype.is_floating
    accepted = _FLOATS if takes_floats else _INTEGERS
    if given not in accepted:
        raise InvalidRequest(f"{name}.datatype: expected {' or '.join(accepted)}, got {given}")
    return str(given)


def checked_shape(name: str, shape: Any) -> tuple[int, ...]:
    """A list of extents as a tuple; raises InvalidRequest where it is not one."""
    if (
        not isinstance(shape, list)
        or len(shape) > MOST_DIMENSIONS
        or not all(type(extent) is int and extent >= 0 for extent in shape)
    ):
        raise InvalidRequest(f"{name}.shape: expected a list of at most {MOST_DIMENSIONS} whole numbers")
    return tuple(shape)


def array_from_values(name: str, datatype: str, shape: tuple[int, ...], values: Array) -> Array:
    """Values already parsed, flat or nested, in their declared shape."""
    size = prod(shape)
    if values.size != size:
        raise InvalidRequest(f"{name}.data: {values.size} values, shape {list(shape)} needs {size}")
    if values.ndim != 1 and values.size and values.shape != shape:
        raise InvalidRequest(f"{name}.data: is of shape {list(values.shape)}, declared {list(shape)}")
    if datatype == "FP64" and values.dtype.kind in "iuf":
        _check_exact(name, values.astype(np.float64))
    return _shaped(name, values, shape)


def array_from_bytes(
    name: str, datatype: str, shape: tuple[int, ...], body: bytes | memoryview, offset: int = 0
) -> Array:
    """A read-only view of the tensor that begins at `offset`; raises InvalidRequest where bytes lack."""
    dtype, count = _DTYPES[datatype], prod(shape)
    if count * dtype.itemsize > len(body) - offset:
        raise InvalidRequest(
            f"{name}: {datatype} of shape {list(shape)} takes {count * dtype.itemsize} bytes, "
            f"got {max(0, len(body) - offset)}"
        )
    # NumPy refuses to look at no bytes at all.
    values = np.frombuffer(body, dtype, count, offset) if count else np.empty(0, dtype)
    if datatype == "FP64":
        _check_exact(name, values)
    return _shaped(name, values, shape)


def size_in_bytes(datatype: str, shape: tuple[int, ...]) -> int:
    """What a tensor takes as bytes."""
    return prod(shape) * _DTYPES[datatype].itemsize


def _shaped(name: str, values: Array, shape: tuple[int, ...]) -> Array:
    try:
        return values.reshape(shape)
    except (ValueError, OverflowError):
        # A shape with a zero in it can have extents beyond NumPy's.
        raise InvalidRequest(f"{name}.shape: {list(shape)} is not possible") from None


def _check_exact(name: str, values: Array) -> None:
    """What is not finite is refused later, in words of its own."""
    with np.errstate(over="ignore"):
        changed = (values.astype(np.float32) != values) & np.isfinite(values)
    if changed.any():
        first = values.reshape(-1)[changed.reshape(-1).argmax()]
        raise InvalidRequest(
            f"{name}: FP64 value {first} is not exact in FP32, which the model takes: send FP32"
        )
