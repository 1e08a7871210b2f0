"""One node on the walk, with its inputs already known."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import helper

from model_export.onnx_import.expression import Expression
from model_export.onnx_import.refusal import Unfit
from model_export.onnx_import.values import Constant, Data, StatePart, Value
from service.domain.tensors import Array


class Call:
    """An operator applied to values; `''` inputs are None."""

    def __init__(self, node: onnx.NodeProto, inputs: list[Value | None], name: str) -> None:
        self.node = node
        self.operator = node.op_type
        self.name = name
        self.inputs = inputs
        self.outputs = len(node.output)
        self.attributes: dict[str, Any] = {
            entry.name: helper.get_attribute_value(entry) for entry in node.attribute
        }

    @property
    def is_plain(self) -> bool:
        """Whether every input is known beforehand, down to its shape."""
        return all(value is None or (isinstance(value, Constant) and value.is_plain) for value in self.inputs)

    @property
    def is_of_states(self) -> bool:
        """Whether it only moves states about, or zeros that stand beside them."""
        moved = self.inputs if self.operator == "Concat" else self.inputs[:1]
        return all(
            isinstance(value, StatePart) or (isinstance(value, Constant) and value.is_zero) for value in moved
        )

    @property
    def arrays(self) -> list[Array | None]:
        return [value.array if isinstance(value, Constant) else None for value in self.inputs]

    def input(self, place: int) -> Value | None:
        return self.inputs[place] if place < len(self.inputs) else None

    def tensor(self, place: int = 0) -> Constant | Data:
        """An input that is numbers."""
        value = self.input(place)
        if not isinstance(value, Constant | Data):
            raise Unfit("uses a state, or an order of rows, as data")
        return value

    def data(self, place: int = 0) -> Data:
        """An input that must be computed per batch."""
        value = self.tensor(place)
        if not isinstance(value, Data):
            raise Unfit(
                f"is only supported on what is computed from the sequence, and input {place} is constant"
            )
        return value

    def constant(self, place: int) -> Array | None:
        """An input that must be known beforehand; None where it is absent."""
        value = self.input(place)
        if value is None:
            return None
        if not isinstance(value, Constant):
            raise Unfit(
                f"input {place} is computed from the sequence, and only a constant is supported there"
            )
        return value.array

    def known(self, place: int) -> Array:
        """An input that must be there, and known beforehand."""
        array = self.constant(place)
        if array is None:
            raise Unfit(f"has no input {place}")
        return array

    def numbers(self, place: int, attribute: str = "") -> list[int] | None:
        """A list of whole numbers: an input, or the attribute it was in older operator sets."""
        if attribute in self.attributes:
            return list(self.attributes[attribute])
        array = self.constant(place)
        if array is None:
            return None
        wholes = [Expression.of(entry).whole for entry in np.atleast_1d(array)]
        if None in wholes:
            raise Unfit(f"input {place} depends on the size of the batch")
        return [int(whole) for whole in wholes if whole is not None]

    def axis(self, rank: int, default: int) -> int:
        """The `axis` attribute, counted from the front."""
        return int(self.attributes.get("axis", default)) % max(rank, 1)
