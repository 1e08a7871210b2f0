"""Slice: pieces of features, the last step, the first step, or the steps reversed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from model_export.onnx_import.axes import BATCH, TIME, Axis, axis, describe, extent, is_features
from model_export.onnx_import.expression import Expression, Symbol
from model_export.onnx_import.own_steps import reversed_steps
from model_export.onnx_import.picked_steps import pick_step
from model_export.onnx_import.refusal import Unfit
from model_export.onnx_import.regrouping import regrouped
from model_export.onnx_import.values import Constant, Data, Value, plain

if TYPE_CHECKING:
    from model_export.onnx_import.call import Call
    from model_export.onnx_import.walk import Walk

# Exporters write "to the end" as the largest or smallest 64-bit (or 32-bit) number.
_FAR = 1 << 30


class Cut(NamedTuple):
    """What is taken from one axis."""

    start: Expression
    end: Expression
    step: int

    def ends_beyond(self, size: Expression) -> bool:
        return self.end == size or (self.end.whole or 0) >= _FAR

    def starts_at_last(self, size: Expression) -> bool:
        return self.start in (Expression.of(-1), size - 1) or (self.start.whole or 0) >= _FAR


def slice_(walk: Walk, call: Call) -> list[Value]:
    """One axis after the other."""
    value = call.tensor()
    starts, ends = (_entries(call, place) for place in (1, 2))
    places = call.numbers(3) or list(range(len(starts)))
    steps = call.numbers(4) or [1] * len(starts)
    for place, start, end, step in zip(places, starts, ends, steps, strict=True):
        value = _cut(walk, call, value, place % len(value.axes), Cut(start, end, step))
    return [value]


def _cut(walk: Walk, call: Call, value: Constant | Data, place: int, cut: Cut) -> Constant | Data:
    one = value.axes[place]
    known = [Expression.of(extent(one)), _fixed(walk, one)]
    if cut.step == 1 and cut.start.whole == 0 and any(map(cut.ends_beyond, known)):
        return value
    if is_features(one):
        return _features(walk, call, value, place, cut)
    if one == TIME and isinstance(value, Data):
        return _steps(walk, call, value, place, cut)
    raise Unfit(f"cuts {describe((one,))} at a fixed place")


def _steps(walk: Walk, call: Call, value: Data, place: int, cut: Cut) -> Constant | Data:
    known = [Expression.of(Symbol.TIME), _fixed(walk, TIME)]
    if any(map(cut.starts_at_last, known)) and cut.step == -1 and (cut.end.whole or 0) <= -_FAR:
        walk.look_ahead("its steps are reversed")
        walk.note(f"{call.name}: each row's own steps are reversed, and its padding stays behind them")
        return reversed_steps(walk, value, place, call.name)
    is_last = any(map(cut.starts_at_last, known)) and any(map(cut.ends_beyond, known))
    if cut.step != 1 or not (is_last or (cut.start.whole, cut.end.whole) == (0, 1)):
        raise Unfit("cuts time: only the last step, the first step and all steps reversed are supported")
    picked = pick_step(walk, value, place, Expression.of(-1 if is_last else 0), call.name)
    return regrouped(walk, picked, (*picked.axes[:place], (), *picked.axes[place:]), call.name)


def _features(walk: Walk, call: Call, value: Constant | Data, place: int, cut: Cut) -> Constant | Data:
    first, last, size = cut.start.whole, cut.end.whole, extent(value.axes[place])
    if first is None or last is None or not isinstance(size, int):
        raise Unfit("cuts features at a place that depends on the size of the batch")
    kept = range(size)[slice(first, None if cut.step < 0 and last < -size else last, cut.step)]
    axes = (*value.axes[:place], axis(len(kept)), *value.axes[place + 1 :])
    if isinstance(value, Constant):
        array = np.take(value.array, np.array(kept, dtype=np.int64), axis=place)
        return plain(array) if array.dtype == object else Constant(array, axes)
    if not kept:
        raise Unfit("leaves no features")
    names = [walk.graph.vector(number) for number in (first, last, place, cut.step)]
    return walk.result(walk.graph.node("Slice", value.tensor, *names, name=call.name), axes, [value])


def _fixed(walk: Walk, one: Axis) -> Expression:
    """The size the file gives time or batch; the symbol where it gives none."""
    known = walk.extents.time if one == TIME else walk.extents.batch if one == BATCH else None
    return Expression.of(extent(one) if known is None else known)


def _entries(call: Call, place: int) -> list[Expression]:
    return [Expression.of(entry) for entry in np.atleast_1d(call.known(place))]


HANDLERS = {"Slice": slice_}
