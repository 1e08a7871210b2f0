"""What a recurrent node of the original starts from, and what becomes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model_export.onnx_import.axes import BATCH, Axes, axis, describe, extent, is_features, stored_extent
from model_export.onnx_import.expression import Symbol
from model_export.onnx_import.recurrent_cell import RecurrentCell
from model_export.onnx_import.refusal import Unfit
from model_export.onnx_import.values import Constant, Data, Permutation, StatePart
from service.domain.tensors import Array

if TYPE_CHECKING:
    from model_export.onnx_import.call import Call
    from model_export.onnx_import.walk import Walk


def start_of(walk: Walk, call: Call, place: int, cell: RecurrentCell) -> str:
    """The tensor `[directions, batch or 1, hidden]` that zeros in the state stand for; '' for zeros."""
    value = call.input(place)
    if value is None:
        return ""
    if isinstance(value, StatePart):
        walk.state_cells.setdefault(value.input, []).append(cell)
        change = "is now a state of each recurrent node" if walk.has_states else "is now zeros"
        walk.note(f"input {value.input!r} {change}")
        return ""
    if isinstance(value, Permutation):
        raise Unfit("starts from an order of rows")
    return _computed(walk, value, cell) if isinstance(value, Data) else _learned(walk, call, value, cell)


def _learned(walk: Walk, call: Call, value: Constant, cell: RecurrentCell) -> str:
    start = _same_for_every_row(walk, value, cell)
    if not start.any():
        return ""
    walk.note(f"{call.name}: starts from a constant; zeros in its state mean that constant")
    name = walk.graph.constant(start)
    if walk.has_states:
        return name
    shape = [cell.directions, extent(BATCH), cell.hidden]
    return walk.graph.node("Expand", name, walk.graph.sizes(shape))


def _same_for_every_row(walk: Walk, value: Constant, cell: RecurrentCell) -> Array:
    """The constant as `[directions, 1, hidden]`; raises Unfit where rows start differently."""
    array, axes = value.array, value.axes
    if len(axes) == 3 and cell.is_batch_first:
        array, axes = array.swapaxes(0, 1), (axes[1], axes[0], axes[2])
    expected = _expected(cell)
    if len(axes) == 3 and is_features(axes[1]):
        walk.extents.bind(Symbol.BATCH, stored_extent(axes[1]))
        axes = (axes[0], BATCH, axes[2])
    if array.dtype == object or axes != expected:
        raise Unfit(f"starts from {describe(axes)}, and {describe(expected)} is needed")
    if (array != array[:, :1]).any():
        raise Unfit("starts each row of the batch from a constant of its own")
    return array[:, :1]


def _computed(walk: Walk, value: Data, cell: RecurrentCell) -> str:
    """A start computed from the sequence itself: no stream could know it beforehand."""
    expected = _expected(cell)
    turned = walk.transpose(value, (1, 0, 2)) if cell.is_batch_first else value
    if turned.axes != expected:
        raise Unfit(f"starts from {describe(turned.axes)}, and {describe(expected)} is needed")
    walk.look_ahead("a recurrent node starts from something computed from the whole sequence")
    return turned.tensor


def _expected(cell: RecurrentCell) -> Axes:
    return (axis(cell.directions), BATCH, axis(cell.hidden))
