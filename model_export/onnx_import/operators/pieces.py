"""Concat and Split along features."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from model_export.onnx_import.axes import Axis, axis, describe, extent, is_features
from model_export.onnx_import.refusal import Unfit
from model_export.onnx_import.values import Constant, Value, plain

if TYPE_CHECKING:
    from model_export.onnx_import.call import Call
    from model_export.onnx_import.walk import Walk


def concat(walk: Walk, call: Call) -> list[Value]:
    parts = [call.tensor(place) for place in range(len(call.inputs))]
    rank = len(parts[0].axes)
    place = call.axis(rank, 0)
    others = {(*part.axes[:place], *part.axes[place + 1 :]) for part in parts}
    if len(others) > 1:
        raise Unfit(f"joins tensors of axes {' and '.join(sorted(describe(part.axes) for part in parts))}")
    joined = axis(sum(_features(part.axes[place]) for part in parts))
    axes = (*parts[0].axes[:place], joined, *parts[0].axes[place + 1 :])
    constants = [part for part in parts if isinstance(part, Constant)]
    if len(constants) == len(parts):
        array = np.concatenate([constant.array for constant in constants], axis=place)
        return [plain(array) if array.dtype == object else Constant(array, axes)]
    tensor = walk.graph.node("Concat", *map(walk.tensor, parts), axis=place, name=call.name)
    return [walk.result(tensor, axes, parts)]


def split(walk: Walk, call: Call) -> list[Value]:
    value = call.tensor()
    place = call.axis(len(value.axes), 0)
    whole = _features(value.axes[place])
    each = -(-whole // call.outputs)
    sizes = call.numbers(1, "split") or [min(each, whole - each * part) for part in range(call.outputs)]
    if isinstance(value, Constant):
        cuts = np.cumsum(sizes)[:-1]
        return [_constant(piece, value, place) for piece in np.split(value.array, cuts, axis=place)]
    names = walk.graph.nodes(
        "Split", value.tensor, walk.graph.vector(*sizes), outputs=len(sizes), axis=place, name=call.name
    )
    shapes = [(*value.axes[:place], axis(size), *value.axes[place + 1 :]) for size in sizes]
    return [walk.result(name, axes, [value]) for name, axes in zip(names, shapes, strict=True)]


def _constant(piece: np.ndarray, value: Constant, place: int) -> Value:
    if value.array.dtype == object:
        return plain(piece)
    return Constant(piece, (*value.axes[:place], axis(piece.shape[place]), *value.axes[place + 1 :]))


def _features(one: Axis) -> int:
    size = extent(one)
    if not is_features(one) or not isinstance(size, int):
        raise Unfit(f"joins or cuts along {describe((one,))}")
    return size


HANDLERS = {"Concat": concat, "Split": split}
