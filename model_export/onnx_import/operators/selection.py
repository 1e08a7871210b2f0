"""Selection by computed places: each row's own last step, one-hot numbers, and rows sorted by length."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model_export.onnx_import.axes import BATCH, TIME, axis
from model_export.onnx_import.expression import Expression, Symbol
from model_export.onnx_import.mixing import common_order
from model_export.onnx_import.refusal import Unfit
from model_export.onnx_import.values import Constant, Data, Permutation, Value, element_of

if TYPE_CHECKING:
    from model_export.onnx_import.call import Call
    from model_export.onnx_import.walk import Walk

_LENGTH = Expression.of(Symbol.LENGTH)


def gather_elements(walk: Walk, call: Call) -> list[Value]:
    """`y.gather(time, lengths - 1)`: exact as it stands."""
    value, index = call.data(0), call.data(1)
    place = call.axis(len(value.axes), 0)
    beside = [axes[:place] + axes[place + 1 :] for axes in (value.axes, index.axes)]
    if value.axes[place] != TIME or index.index != _LENGTH - 1 or beside[0] != beside[1]:
        raise Unfit("selects by computed numbers that are not each row's own last step")
    common_order([value, index])
    walk.uses_lengths = True
    tensor = walk.graph.node("GatherElements", value.tensor, index.tensor, axis=place, name=call.name)
    return [walk.result(tensor, index.axes, [value])]


def one_hot(walk: Walk, call: Call) -> list[Value]:
    index, depth, values = call.data(), call.numbers(1), call.input(2)
    if depth is None or not isinstance(values, Constant):
        raise Unfit("has a depth or values that are not constant")
    place = call.attributes.get("axis", -1) % (len(index.axes) + 1)
    walk.symbol_count = min(depth[0], walk.symbol_count or depth[0])
    names = [index.tensor, walk.tensor(call.input(1)), walk.tensor(values)]
    tensor = walk.graph.node("OneHot", *names, axis=place, name=call.name)
    axes = (*index.axes[:place], axis(depth[0]), *index.axes[place:])
    return [walk.result(tensor, axes, [index], element_of(values))]


def top_k(walk: Walk, call: Call) -> list[Value]:
    """All lengths, longest first: the order a packed sequence needs, and the new graph does not."""
    lengths, count = call.data(), Expression.of(call.known(1).reshape(-1)[0])
    if lengths.axes != (BATCH,) or lengths.index != _LENGTH or count != Expression.of(Symbol.BATCH):
        raise Unfit("ranks numbers other than the lengths of all rows")
    walk.uses_lengths = True
    walk.note(f"{call.name}: rows are no longer sorted by length")
    ordered = Data(lengths.tensor, lengths.axes, lengths.element, lengths.index, is_sorted=True)
    return [ordered, Permutation()]


def scatter_elements(walk: Walk, call: Call) -> list[Value]:
    """`empty.scatter(0, order, 0, 1, 2, …)`: the order that undoes a sort."""
    order, places = call.input(1), call.data(2)
    is_counting = places.index == Expression.of(Symbol.ROW) and places.axes == (BATCH,)
    if not isinstance(order, Permutation) or not is_counting:
        raise Unfit("writes to computed places")
    return [Permutation(restores=not order.restores)]


HANDLERS = {
    "GatherElements": gather_elements,
    "OneHot": one_hot,
    "ScatterElements": scatter_elements,
    "TopK": top_k,
}
