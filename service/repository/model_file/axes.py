"""Attributes that say which dimension is meant: where some are absurd, ONNX Runtime reads beyond a shape."""

from __future__ import annotations

from service.errors import InvalidBundle
from service.repository.model_file.messages import Message
from service.repository.model_file.tensors import MAX_RANK

_AXES = {"axis", "axes", "scan_input_axes", "scan_output_axes", "time_axis", "batch_axis"}
# How many dimensions are the batch's.
_COUNT = "batch_dims"


def check_axes(attribute: Message, title: str) -> None:
    """Raises InvalidBundle naming the attribute."""
    name = attribute.one("name", "")
    if name not in _AXES and name != _COUNT:
        return
    least = 0 if name == _COUNT else -MAX_RANK
    for number in (*attribute.all("i"), *attribute.all("ints")):
        if not least <= number <= MAX_RANK:
            raise InvalidBundle(f"{title}: {name} is {number}: expected {least} to {MAX_RANK}")
