"""What a tensor of someone else's graph is known to be while it is rewritten."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from onnx import helper

from model_export.onnx_import.axes import Axes, axis, is_features
from model_export.onnx_import.expression import Expression
from service.domain.tensors import Array


@dataclass(frozen=True, eq=False)
class Constant:
    """Known beforehand. An array of objects holds expressions of the batch's sizes.

    On an axis of time or batch the array has extent 1: the value repeats there.
    """

    array: Array
    axes: Axes

    @property
    def is_plain(self) -> bool:
        """Whether it is numbers only, of a fixed shape."""
        return self.array.dtype != object and all(map(is_features, self.axes))

    @property
    def is_zero(self) -> bool:
        return self.array.dtype != object and not self.array.any()


@dataclass(frozen=True, eq=False)
class Data:
    """Computed per batch: the tensor's name in the new graph, its axes and its element type.

    `index` says what an integer tensor holds, where that is known. `turned` is the tensor this one
    is a transpose of. `is_sorted`: in the original its rows stand in order of length.
    """

    tensor: str
    axes: Axes
    element: int
    index: Expression | None = None
    turned: tuple[Data, tuple[int, ...]] | None = None
    is_sorted: bool = False


@dataclass(frozen=True)
class StatePart:
    """A graph input that is a state, or a piece of it; the new graph has a state of its own in its place.

    `axes` are those of the whole input, None for a piece.
    """

    input: str
    axes: Axes | None = None


@dataclass(frozen=True)
class Permutation:
    """Row numbers in order of length, or (`restores`) those that undo it. The new graph never sorts."""

    restores: bool = False


Value: TypeAlias = Constant | Data | StatePart | Permutation


def plain(array: Array) -> Constant:
    """A constant of fixed shape; expressions without symbols become numbers."""
    if array.dtype == object:
        wholes = [Expression.of(entry).whole for entry in array.flat]
        if None not in wholes:
            array = np.array(wholes, dtype=np.int64).reshape(array.shape)
    return Constant(array, tuple(axis(size) for size in array.shape))


def sizes(*entries: object) -> Constant:
    """A vector of numbers and expressions, as Shape gives it."""
    array = np.empty(len(entries), dtype=object)
    for place, entry in enumerate(entries):
        array[place] = Expression.of(entry)
    return plain(array)


def element_of(value: Constant | Data) -> int:
    """The ONNX element type of a value."""
    return value.element if isinstance(value, Data) else helper.np_dtype_to_tensor_dtype(value.array.dtype)
