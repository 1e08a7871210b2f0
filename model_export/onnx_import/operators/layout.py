"""Operators that move or group axes and change no number: Transpose, Squeeze, Unsqueeze, Reshape, Flatten."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model_export.onnx_import.axes import describe, extent
from model_export.onnx_import.expression import Symbol
from model_export.onnx_import.operators.constants import wanted_shape
from model_export.onnx_import.own_steps import last_step
from model_export.onnx_import.refusal import Unfit
from model_export.onnx_import.regroup import regroup
from model_export.onnx_import.regrouping import regrouped
from model_export.onnx_import.values import Constant, Data, Value

if TYPE_CHECKING:
    from model_export.onnx_import.call import Call
    from model_export.onnx_import.walk import Walk


def transpose(walk: Walk, call: Call) -> list[Value]:
    value = call.tensor()
    order = tuple(call.attributes.get("perm", range(len(value.axes))[::-1]))
    if isinstance(value, Data):
        return [walk.transpose(value, order, call.name)]
    return [Constant(value.array.transpose(order), tuple(value.axes[place] for place in order))]


def squeeze(walk: Walk, call: Call) -> list[Value]:
    value = call.tensor()
    rank = len(value.axes)
    named = call.numbers(1, "axes")
    places = [place % rank for place in named] if named is not None else []
    if named is None:
        places = [place for place, one in enumerate(value.axes) if not one]
    time = walk.place(value.axes, Symbol.TIME)
    if isinstance(value, Data) and time in places and walk.extents.time == 1:
        # A model made for one step at a time drops its time axis.
        walk.note(f"{call.name}: the one step of the original is each row's own last step")
        value = last_step(walk, value, time, call.name)
        places = [place - (place > time) for place in places if place != time]
    for place in places:
        if value.axes[place]:
            raise Unfit(f"removes an axis that is {describe((value.axes[place],))}")
    kept = tuple(one for place, one in enumerate(value.axes) if place not in places)
    return [regrouped(walk, value, kept, call.name)]


def unsqueeze(walk: Walk, call: Call) -> list[Value]:
    value = call.tensor()
    named = call.numbers(1, "axes") or []
    rank = len(value.axes) + len(named)
    places = {place % rank for place in named}
    remaining = iter(value.axes)
    axes = tuple(() if place in places else next(remaining) for place in range(rank))
    return [regrouped(walk, value, axes, call.name)]


def reshape(walk: Walk, call: Call) -> list[Value]:
    value, wanted = call.tensor(), wanted_shape(call, 1)
    if not call.attributes.get("allowzero", 0):
        wanted = [extent(value.axes[place]) if size == 0 else size for place, size in enumerate(wanted)]
    before = (walk.extents.time, walk.extents.batch)
    axes = regroup(value.axes, wanted, walk.extents)
    if (walk.extents.time, walk.extents.batch) != before:
        walk.note(f"{call.name}: the sizes of one batch were fixed here, and now follow each batch")
    return [regrouped(walk, value, axes, call.name)]


def flatten(walk: Walk, call: Call) -> list[Value]:
    value = call.tensor()
    cut = call.attributes.get("axis", 1)
    cut = cut + len(value.axes) if cut < 0 else cut
    sides = (value.axes[:cut], value.axes[cut:])
    axes = tuple(regroup(side, [-1], walk.extents)[0] for side in sides)
    return [regrouped(walk, value, axes, call.name)]


HANDLERS = {
    "Transpose": transpose,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Reshape": reshape,
    "Flatten": flatten,
}
