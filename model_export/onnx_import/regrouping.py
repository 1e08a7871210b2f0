"""The same numbers in the same order under other axes: constants at once, data by a Reshape node."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from model_export.onnx_import.axes import Axes, Axis, Extent, extent, is_features, stored_extent
from model_export.onnx_import.refusal import Unfit
from model_export.onnx_import.values import Constant, Data
from service.domain.tensors import Array

if TYPE_CHECKING:
    from model_export.onnx_import.walk import Walk


def regrouped(walk: Walk, value: Constant | Data, axes: Axes, name: str) -> Constant | Data:
    """The same numbers in the same order with these axes."""
    if isinstance(value, Constant):
        return Constant(_reshaped(value.array, [stored_extent(one) for one in axes]), axes)
    return regroup_data(walk, value, axes, name)


def regroup_data(walk: Walk, value: Data, axes: Axes, name: str) -> Data:
    """`regrouped`, for data."""
    if axes == value.axes:
        return value
    target = _target(value.axes, axes)
    tensor = walk.graph.node("Reshape", value.tensor, walk.graph.sizes(target), name=name)
    return Data(tensor, axes, value.element, value.index, is_sorted=value.is_sorted)


def _target(source: Axes, axes: Axes) -> list[Extent]:
    """A Reshape target that says as little as possible about time and batch: 0 copies, one -1 is inferred."""
    target: list[Extent] = []
    for place, one in enumerate(axes):
        is_copied = not is_features(one) and place < len(source) and source[place] == one
        target.append(0 if is_copied else extent(one))
    unknown = [place for place, size in enumerate(target) if not isinstance(size, int)]
    if unknown:
        target[unknown[-1]] = -1
    if any(not isinstance(size, int) for size in target):
        # A copied extent may stand beside sizes computed at run time: all are then written out.
        target = [extent(axes[place]) if size == 0 else size for place, size in enumerate(target)]
    return target


def _reshaped(array: Array, shape: list[int]) -> Array:
    if array.size == int(np.prod(shape)):
        return array.reshape(shape)
    if (array == array.flat[0]).all():
        return np.full(shape, array.flat[0], dtype=array.dtype)
    raise Unfit("merges features of a constant with time or batch")


def apart(axes: Axes) -> Axes:
    """Axes of several factors taken apart where time or batch is one of them."""
    parts: list[Axis] = []
    for one in axes:
        parts.extend([one] if is_features(one) else [(atom,) for atom in one])
    return tuple(parts)
