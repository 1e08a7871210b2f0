"""Constants, and tensors made of the sizes of a batch: Shape, ConstantOfShape, Range, Expand, Tile."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto, numpy_helper

from model_export.onnx_import.axes import BATCH, TIME, Extent, axis_of, broadcast, extent, stored_extent
from model_export.onnx_import.expression import Expression, Symbol
from model_export.onnx_import.fixed_constants import loosened
from model_export.onnx_import.own_steps import positions
from model_export.onnx_import.refusal import Unfit
from model_export.onnx_import.values import Constant, Data, Permutation, Value, plain, sizes

if TYPE_CHECKING:
    from model_export.onnx_import.call import Call
    from model_export.onnx_import.walk import Walk


def constant(walk: Walk, call: Call) -> list[Value]:
    ((kind, value),) = call.attributes.items()
    if kind == "value":
        return [plain(numpy_helper.to_array(value))]
    if kind.startswith(("value_int", "value_float")):
        return [plain(np.asarray(value, dtype=np.int64 if "int" in kind else np.float32))]
    raise Unfit(f"holds a {kind}")


def shape(walk: Walk, call: Call) -> list[Value]:
    return [sizes(*_entries(call)[call.attributes.get("start", 0) : call.attributes.get("end")])]


def size(walk: Walk, call: Call) -> list[Value]:
    return [plain(np.asarray(math.prod(_entries(call)), dtype=object))]


def constant_of_shape(walk: Walk, call: Call) -> list[Value]:
    value = call.attributes.get("value")
    fill = np.float32(0) if value is None else numpy_helper.to_array(value).reshape(-1)[0]
    axes = tuple(axis_of(entry) for entry in wanted_shape(call, 0))
    return [Constant(np.full([stored_extent(one) for one in axes], fill), axes)]


def range_(walk: Walk, call: Call) -> list[Value]:
    """0 to the number of steps, or of rows: positions."""
    start, limit, delta = (Expression.of(entry) for entry in _scalars(call))
    for symbol, axes in ((Symbol.TIME, (TIME,)), (Symbol.BATCH, (BATCH,))):
        if (start.whole, limit, delta.whole) == (0, Expression.of(symbol), 1):
            index = Expression.of(Symbol.POSITION if symbol is Symbol.TIME else Symbol.ROW)
            return [Data(positions(walk, symbol), axes, int(TensorProto.INT64), index)]
    raise Unfit("counts to something other than the number of steps or of rows")


def expand(walk: Walk, call: Call) -> list[Value]:
    value, wanted = call.tensor(), [axis_of(entry) for entry in wanted_shape(call, 1)]
    if isinstance(value, Constant):
        value = loosened(value, tuple(wanted), walk.extents)
    axes = broadcast(value.axes, tuple(wanted))
    if isinstance(value, Constant):
        lifted = value.array.reshape([1] * (len(axes) - value.array.ndim) + list(value.array.shape))
        return [Constant(np.broadcast_to(lifted, [stored_extent(one) for one in axes]), axes)]
    if axes == value.axes:
        return [value]
    tensor = walk.graph.node(
        "Expand", value.tensor, walk.graph.sizes([extent(one) for one in axes]), name=call.name
    )
    if value.index is not None:
        return [Data(tensor, axes, value.element, value.index, is_sorted=value.is_sorted)]
    return [walk.result(tensor, axes, [value])]


def tile(walk: Walk, call: Call) -> list[Value]:
    """Repeats, where only axes of extent 1 are repeated: the same as Expand."""
    value, repeats = call.tensor(), wanted_shape(call, 1)
    axes = tuple(one or axis_of(count) for one, count in zip(value.axes, repeats, strict=True))
    if any(one and count != 1 for one, count in zip(value.axes, repeats, strict=True)):
        raise Unfit("repeats an axis that is longer than 1")
    if isinstance(value, Constant):
        return [Constant(np.broadcast_to(value.array, [stored_extent(one) for one in axes]), axes)]
    tensor = walk.graph.node(
        "Expand", value.tensor, walk.graph.sizes([extent(one) for one in axes]), name=call.name
    )
    return [walk.result(tensor, axes, [value])]


def _entries(call: Call) -> list[Extent]:
    value = call.inputs[0]
    if isinstance(value, Permutation):
        return [Expression.of(Symbol.BATCH)]
    if value is None or value.axes is None:
        raise Unfit("asks for the shape of a piece of a state")
    return [extent(one) for one in value.axes]


def wanted_shape(call: Call, place: int) -> list[Extent]:
    """A shape given as an input: numbers and sizes of the batch."""
    entries = [Expression.of(entry) for entry in np.atleast_1d(call.known(place))]
    return [entry if entry.whole is None else entry.whole for entry in entries]


def _scalars(call: Call) -> list[object]:
    return [call.known(place).reshape(-1)[0] for place in range(3)]


HANDLERS = {
    "Constant": constant,
    "Shape": shape,
    "Size": size,
    "ConstantOfShape": constant_of_shape,
    "Range": range_,
    "Expand": expand,
    "Tile": tile,
}
