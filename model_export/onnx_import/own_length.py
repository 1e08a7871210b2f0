"""Each row's own length, where the original counts the steps of the padded batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model_export.onnx_import.axes import BATCH, along, is_features, stored_extent
from model_export.onnx_import.expression import Expression, Symbol
from model_export.onnx_import.mixing import common_order
from model_export.onnx_import.refusal import Unfit
from model_export.onnx_import.values import Constant, Data
from service.domain.signature import LENGTHS

if TYPE_CHECKING:
    from model_export.onnx_import.call import Call
    from model_export.onnx_import.walk import Walk


def length_beside(walk: Walk, data: Data) -> str:
    """Each row's number of steps, in the element type of `data` and shaped to broadcast with it."""
    length = walk.graph.once("Cast", LENGTHS, to=data.element)
    target = along(len(data.axes), data.axes.index(BATCH))
    return walk.graph.once("Reshape", length, walk.graph.vector(*target))


def with_own_lengths(walk: Walk, call: Call) -> None:
    """Where the number of steps is a number in a computation, each row has its own."""
    beside = next((value for value in call.inputs if isinstance(value, Data) and not value.index), None)
    if beside is None or BATCH not in beside.axes:
        return
    for place, value in enumerate(call.inputs):
        if not isinstance(value, Constant) or value.array.dtype != object or value.array.size != 1:
            continue
        if value.array.flat[0] == Expression.of(Symbol.TIME):
            walk.look_ahead("a sequence's length is used as data")
            walk.note(f"{call.name}: the number of steps is each row's own")
            axes = tuple(BATCH if one == BATCH else () for one in beside.axes)
            call.inputs[place] = Data(length_beside(walk, beside), axes, beside.element)


def check_own_lengths(walk: Walk, call: Call, x: Data, place: int) -> None:
    """The original's lengths must be the sequence's own: then the contract's take their place."""
    given = call.input(place)
    if given is None:
        return
    if isinstance(given, Data) and given.index == Expression.of(Symbol.LENGTH) and given.axes == (BATCH,):
        common_order([x, given])
        walk.uses_lengths = True
        return
    if isinstance(given, Constant) and given.axes and is_features(given.axes[0]):
        walk.extents.bind(Symbol.BATCH, stored_extent(given.axes[0]))
    full = {Expression.of(Symbol.TIME), Expression.of(walk.extents.time or Symbol.TIME)}
    if not isinstance(given, Constant) or not full.issuperset(map(Expression.of, given.array.flat)):
        raise Unfit("is given lengths that are neither the lengths input nor the full length")
