"""Weights and constants: that a tensor's numbers are in the file, and as many as its shape says."""

from __future__ import annotations

import math

import numpy as np

from service.domain.tensors import Shape
from service.errors import InvalidBundle
from service.repository.model_file.messages import Message

FLOAT, INT32, INT64, DOUBLE = 1, 6, 7, 11

# TensorProto.DataType: bytes of an element, and the field that holds such numbers where raw_data does not.
# Strings, complex numbers and what is packed in less than a byte have no place in a sequence graph.
_STORED = {
    FLOAT: (4, "float_data"),
    2: (1, "int32_data"),  # uint8
    3: (1, "int32_data"),  # int8
    4: (2, "int32_data"),  # uint16
    5: (2, "int32_data"),  # int16
    INT32: (4, "int32_data"),
    INT64: (8, "int64_data"),
    9: (1, "int32_data"),  # bool
    10: (2, "int32_data"),  # float16
    DOUBLE: (8, "double_data"),
    12: (4, "uint64_data"),  # uint32
    13: (8, "uint64_data"),  # uint64
    16: (2, "int32_data"),  # bfloat16
}
_DTYPES = {FLOAT: "<f4", INT32: "<i4", INT64: "<i8", DOUBLE: "<f8"}
_DATA = ("raw_data", "float_data", "int32_data", "string_data", "int64_data", "double_data", "uint64_data")
_VIEW_BYTES = {"raw_data": None, "float_data": 4, "double_data": 8}
MAX_RANK = 16
_MAX_CONSTANT_BYTES = 1 << 10


def check_tensor(tensor: Message) -> None:
    """Raises InvalidBundle naming the tensor."""
    title = f"tensor {tensor.one('name', '')!r}"
    _refuse_data_elsewhere(tensor, title)
    stored = _STORED.get(tensor.one("data_type", 0))
    if stored is None:
        raise InvalidBundle(
            f"{title}: has data type {tensor.one('data_type', 0)}: expected whole-byte numbers"
        )
    elements = _elements(checked_shape(tuple(tensor.all("dims")), title))
    given = [name for name in _DATA if name in tensor]
    size, field = stored
    if len(given) > 1 or (given and given[0] not in ("raw_data", field)):
        raise InvalidBundle(f"{title}: has {' and '.join(given)}: expected raw_data or {field}")
    is_raw = given == ["raw_data"]
    found = _count(tensor, given[0]) if given else 0
    due = elements * size if is_raw else elements
    if found != due:
        unit = "bytes" if is_raw else "numbers"
        raise InvalidBundle(f"{title}: has {found:,} {unit}, its shape {tensor.all('dims')} needs {due:,}")


def checked_shape(shape: Shape, title: str) -> Shape:
    """A shape whose extents are sizes; raises InvalidBundle."""
    if len(shape) > MAX_RANK:
        raise InvalidBundle(f"{title}: has {len(shape)} dimensions: expected {MAX_RANK} at most")
    if any(extent < 0 for extent in shape):
        raise InvalidBundle(f"{title}: has the shape {[*shape]}: expected no negative extent")
    return shape


def constant(tensor: Message) -> list[int | float] | None:
    """A small tensor's numbers, row by row; None where it is large, or holds none a size could be."""
    dtype = _DTYPES.get(tensor.one("data_type", 0))
    name = next((name for name in _DATA if name in tensor), None)
    if dtype is None or name is None or _elements(tuple(tensor.all("dims"))) * 8 > _MAX_CONSTANT_BYTES:
        return None
    if name in _VIEW_BYTES:
        numbers: list[int | float] = np.frombuffer(b"".join(tensor.all(name)), dtype).tolist()
        return numbers
    return tensor.all(name)


def _refuse_data_elsewhere(tensor: Message, title: str) -> None:
    """Only what was read can have been checked; ONNX Runtime would even take an address in memory."""
    if tensor.one("data_location", 0) != 0 or "external_data" in tensor:
        entries = {entry.one("key"): entry.one("value") for entry in tensor.all("external_data")}
        raise InvalidBundle(
            f"{title}: its data lies outside this file, in {entries.get('location')!r}: expected raw_data "
            "here; `carousel import` puts it there"
        )
    if "segment" in tensor:
        raise InvalidBundle(f"{title}: is a segment of a tensor: expected a whole one")


def _elements(shape: Shape) -> int:
    return math.prod(shape)


def _count(tensor: Message, name: str) -> int:
    """Bytes of raw_data, numbers of every other field."""
    values = tensor.all(name)
    if name not in _VIEW_BYTES:
        return len(values)
    return sum(map(len, values)) // (_VIEW_BYTES[name] or 1)
