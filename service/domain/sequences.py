"""The checks between a caller's numbers and the queue: nothing that passes can harm a batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from service.domain.signature import Signature
from service.domain.tensors import Array, Shape
from service.errors import BodyTooLarge, InvalidRequest

_LARGEST = float(np.finfo(np.float32).max)
_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def checked_sequence(values: Array, signature: Signature, max_steps: int, field: str) -> Array:
    """`values` as `[steps, *step]` in the model's datatype; raises InvalidRequest naming `field`."""
    _check_shape(values, signature, max_steps, field)
    wanted = signature.step_datatype.dtype
    if signature.step_datatype.is_floating:
        if _fits_float32(values):
            return np.ascontiguousarray(values, dtype=wanted)
        _check_kind(values, "iuf", "numbers", field)
        with np.errstate(over="ignore"):
            converted = np.ascontiguousarray(values, dtype=wanted)
        if not np.isfinite(converted).all():
            raise InvalidRequest(
                f"{field}: {_first_fault(~np.isfinite(converted))} is not a finite float32 number"
            )
        return converted
    _check_kind(values, "iu", "whole numbers", field)
    _check_range(values, signature, field)
    return np.ascontiguousarray(values, dtype=wanted)


def named(sequences: list[Array]) -> list[tuple[str, Array]]:
    """Each with the field that it is complained about by."""
    if len(sequences) == 1:
        return [("sequence", sequences[0])]
    return [(f"sequences[{index}]", sequence) for index, sequence in enumerate(sequences)]


def nested_list_array(values: Any, field: str, expected: Shape | None = None) -> Array:
    """JSON's nested lists as an array; raises InvalidRequest for ragged ones, with the steps `expected`."""
    if not isinstance(values, list):
        raise InvalidRequest(f"{field}: expected a list of steps, got {_json_type(values)}")
    try:
        return np.array(values)
    except ValueError:
        due = "the same length and depth of each" if expected is None else extents(expected)
        raise InvalidRequest(f"{field}: lists side by side differ in shape: expected {due}") from None


def extents(step: Shape) -> str:
    """The shape of a sequence of such steps, in words."""
    return " x ".join(["steps", *map(str, step)])


def _fits_float32(values: Array) -> bool:
    """Whether floats lie within float32's range, which also rules out what is not finite."""
    if values.dtype not in _FLOATS:
        return False
    flat = values.reshape(-1)
    # Two passes without a Python function around them; not-a-number comes through and compares as false.
    return bool(np.minimum.reduce(flat) >= -_LARGEST and np.maximum.reduce(flat) <= _LARGEST)


def _check_shape(values: Array, signature: Signature, max_steps: int, field: str) -> None:
    if values.shape[1:] == signature.step_shape and 0 < len(values) <= max_steps:
        return
    expected = extents(signature.step_shape)
    if values.size == 0:
        raise InvalidRequest(f"{field}: is empty: a sequence has at least one step, expected {expected}")
    if values.shape[1:] != signature.step_shape:
        got = " x ".join(map(str, values.shape)) or "a single number"
        raise InvalidRequest(f"{field}: expected {expected}, got {got}")
    raise BodyTooLarge(f"{field}: {len(values)} steps, at most {max_steps} are allowed")


def _check_kind(values: Array, kinds: str, wanted: str, field: str) -> None:
    if values.dtype.kind not in kinds:
        raise InvalidRequest(
            f"{field}: expected {wanted}, got {_NUMPY_KINDS.get(values.dtype.kind, 'mixed values')}"
        )


def _check_range(values: Array, signature: Signature, field: str) -> None:
    limits = np.iinfo(signature.step_datatype.dtype)
    low, high = (0, signature.symbol_count - 1) if signature.symbol_count else (limits.min, limits.max)
    outside = (values < low) | (values > high)
    if outside.any():
        raise InvalidRequest(f"{field}: {_first_fault(outside)} is outside {low} to {high}")


def _first_fault(faults: Array) -> str:
    step, *rest = (int(index) for index in np.argwhere(faults)[0])
    return f"step {step}" + (f", value {', '.join(map(str, rest))}" if rest else "")


def _json_type(value: Any) -> str:
    return _JSON_TYPES.get(type(value), type(value).__name__)


_JSON_TYPES = {
    dict: "an object",
    str: "a string",
    int: "a number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}
_NUMPY_KINDS = {
    "U": "strings",
    "S": "strings",
    "b": "true or false",
    "O": "nulls, objects or numbers too large",
    "f": "fractions",
}
