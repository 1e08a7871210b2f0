"""Gather: embeddings, features, and the steps that may be picked from a sequence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from model_export.onnx_import.axes import BATCH, Axis, describe, extent, is_features
from model_export.onnx_import.expression import Expression, Symbol
from model_export.onnx_import.mixing import common_order
from model_export.onnx_import.picked_steps import pick_step
from model_export.onnx_import.refusal import Unfit
from model_export.onnx_import.regrouping import regrouped
from model_export.onnx_import.values import Constant, Data, Permutation, Value, element_of, plain

if TYPE_CHECKING:
    from model_export.onnx_import.call import Call
    from model_export.onnx_import.walk import Walk

# Where each row's own last step stands once time and batch are one axis, by their order.
_LENGTH, _ROW = Expression.of(Symbol.LENGTH), Expression.of(Symbol.ROW)
_LAST_OF_FLAT: dict[Axis, Expression] = {
    (Symbol.BATCH, Symbol.TIME): _ROW * Expression.of(Symbol.TIME) + _LENGTH - 1,
    (Symbol.TIME, Symbol.BATCH): (_LENGTH - 1) * Expression.of(Symbol.BATCH) + _ROW,
}


def gather(walk: Walk, call: Call) -> list[Value]:
    value, index = call.tensor(), call.inputs[1]
    place = call.axis(len(value.axes), 0)
    if isinstance(index, Permutation):
        return [_reordered(value, index, place)]
    if isinstance(value, Constant):
        if isinstance(index, Constant):
            return [_of_constant(value, index, place)]
        return [_embedding(walk, call, value, call.data(1), place)]
    if isinstance(index, Constant):
        return [_of_data(walk, call, index, place)]
    return [_last_of_flat(walk, call, value, call.data(1), place)]


def _of_constant(value: Constant, index: Constant, place: int) -> Constant:
    if not is_features(value.axes[place]):
        raise Unfit("selects from time or batch by a fixed place")
    array = np.asarray(np.take(value.array, index.array, axis=place), dtype=value.array.dtype)
    axes = (*value.axes[:place], *index.axes, *value.axes[place + 1 :])
    return plain(array) if array.dtype == object else Constant(array, axes)


def _of_data(walk: Walk, call: Call, index: Constant, place: int) -> Value:
    value = call.data()
    if is_features(value.axes[place]):
        tensor = walk.graph.node("Gather", value.tensor, walk.tensor(index), axis=place, name=call.name)
        axes = (*value.axes[:place], *index.axes, *value.axes[place + 1 :])
        return walk.result(tensor, axes, [value, index])
    if index.array.size != 1:
        raise Unfit(f"selects several places of {describe((value.axes[place],))}")
    picked = pick_step(walk, value, place, Expression.of(index.array.reshape(-1)[0]), call.name)
    axes = (*picked.axes[:place], *index.axes, *picked.axes[place:])
    return regrouped(walk, picked, axes, call.name)


def _embedding(walk: Walk, call: Call, table: Constant, index: Data, place: int) -> Value:
    """Rows of a table, chosen by the numbers of the sequence."""
    size = extent(table.axes[place])
    if index.index is not None or not isinstance(size, int) or table.array.dtype == object:
        raise Unfit("looks a length, a position or a size of the batch up in a table")
    walk.symbol_count = min(size, walk.symbol_count or size)
    tensor = walk.graph.node("Gather", walk.tensor(table), index.tensor, axis=place, name=call.name)
    axes = (*table.axes[:place], *index.axes, *table.axes[place + 1 :])
    return walk.result(tensor, axes, [table, index], element_of(table))


def _last_of_flat(walk: Walk, call: Call, value: Data, index: Data, place: int) -> Value:
    """`y.reshape(batch * time, …)[row * time + length - 1]`, as PyTorch exports indexing by two tensors."""
    expected = _LAST_OF_FLAT.get(value.axes[place])
    if expected is None or index.index != expected or index.axes != (BATCH,):
        raise Unfit(f"selects from {describe((value.axes[place],))} by computed numbers")
    common_order([value, index])
    walk.uses_lengths = True
    tensor = walk.graph.node("Gather", value.tensor, index.tensor, axis=place, name=call.name)
    return walk.result(tensor, (*value.axes[:place], BATCH, *value.axes[place + 1 :]), [value])


def _reordered(value: Constant | Data, order: Permutation, place: int) -> Value:
    """Rows sorted by length, or put back: the new graph leaves them where they are."""
    if value.axes[place] != BATCH:
        raise Unfit("uses an order of rows on an axis that is not the batch")
    if isinstance(value, Constant):
        return value
    if value.is_sorted != order.restores:
        raise Unfit("sorts rows that are sorted, or restores an order that was not changed")
    return Data(value.tensor, value.axes, value.element, value.index, is_sorted=not order.restores)


HANDLERS = {"Gather": gather}
