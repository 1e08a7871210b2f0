"""Reductions over features as they stand; over time, each row over its own steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto

from model_export.onnx_import.axes import TIME, Axes, describe, is_features
from model_export.onnx_import.own_length import length_beside
from model_export.onnx_import.own_steps import masked
from model_export.onnx_import.refusal import Unfit
from model_export.onnx_import.values import Constant, Data, Value, plain

if TYPE_CHECKING:
    from model_export.onnx_import.call import Call
    from model_export.onnx_import.walk import Walk

_HIGHEST = float(np.finfo(np.float32).max)
# What a step past a row's own may hold without a trace in the result.
_NEUTRAL = {
    "ReduceL1": 0.0,
    "ReduceL2": 0.0,
    "ReduceLogSum": 0.0,
    "ReduceLogSumExp": -_HIGHEST,
    "ReduceMax": -_HIGHEST,
    "ReduceMean": 0.0,
    "ReduceMin": _HIGHEST,
    "ReduceProd": 1.0,
    "ReduceSum": 0.0,
    "ReduceSumSquare": 0.0,
}


def reduce(walk: Walk, call: Call) -> list[Value]:
    value = call.inputs[0]
    if isinstance(value, Constant):
        return [_sizes_multiplied(call, value)]
    data = call.data()
    rank = len(data.axes)
    named = call.numbers(1, "axes")
    if not named and call.attributes.get("noop_with_empty_axes", 0):
        return [data]
    places = sorted(place % rank for place in (named or range(rank)))
    return [reduced(walk, call, data, places, keeps=bool(call.attributes.get("keepdims", 1)))]


def reduced(walk: Walk, call: Call, data: Data, places: list[int], keeps: bool, operator: str = "") -> Data:
    """`data` reduced over the axes at `places` by `operator`, or by the call's own."""
    operator = operator or call.operator
    steps = [place for place in places if data.axes[place] == TIME]
    for place in places:
        if place not in steps and not is_features(data.axes[place]):
            raise Unfit(f"reduces {describe((data.axes[place],))}: rows or steps would be mixed")
    if not steps:
        return _written(walk, call, operator, data, places, keeps)
    walk.look_ahead("steps are pooled")
    walk.note(f"{call.name}: {operator} over time is over each row's own steps")
    for place in steps:
        data = masked(walk, data, place, _NEUTRAL[operator])
    if operator != "ReduceMean":
        return _written(walk, call, operator, data, places, keeps)
    # The mean over time is a sum divided by the row's length; features first, while they are whole.
    features = [place for place in places if place not in steps]
    if features:
        data = _written(walk, call, "ReduceMean", data, features, keeps=True)
    total = _written(walk, call, "ReduceSum", data, steps, keeps=True)
    for _ in steps:
        quotient = walk.graph.node("Div", total.tensor, length_beside(walk, total))
        total = Data(quotient, total.axes, total.element, is_sorted=total.is_sorted)
    if keeps:
        return total
    name = walk.graph.node("Squeeze", total.tensor, walk.graph.vector(*places))
    return Data(name, _without(total.axes, places, keeps=False), total.element, is_sorted=total.is_sorted)


def _written(walk: Walk, call: Call, operator: str, data: Data, places: list[int], keeps: bool) -> Data:
    takes_input = operator == "ReduceSum" or walk.graph.opset >= 18
    if takes_input:
        names, attributes = [data.tensor, walk.graph.vector(*places)], {}
    else:
        names, attributes = [data.tensor], {"axes": places}
    tensor = walk.graph.node(operator, *names, name=call.name, keepdims=int(keeps), **attributes)
    return walk.result(tensor, _without(data.axes, places, keeps), [data])


def _without(axes: Axes, places: list[int], keeps: bool) -> Axes:
    if keeps:
        return tuple(() if place in places else one for place, one in enumerate(axes))
    return tuple(one for place, one in enumerate(axes) if place not in places)


def _sizes_multiplied(call: Call, value: Constant) -> Constant:
    """ReduceProd of a shape, as PyTorch exports numel."""
    if call.operator != "ReduceProd" or value.array.ndim != 1 or not all(map(is_features, value.axes)):
        raise Unfit("reduces sizes of the batch")
    total = np.empty([1] * int(call.attributes.get("keepdims", 1)), dtype=object)
    total[...] = np.prod(value.array)
    return plain(total)


def best(walk: Walk, call: Call) -> list[Value]:
    """ArgMax and ArgMin over features."""
    data = call.data()
    place = call.axis(len(data.axes), 0)
    if not is_features(data.axes[place]):
        raise Unfit(f"searches {describe((data.axes[place],))}")
    tensor = walk.graph.node(call.operator, data.tensor, name=call.name, **call.attributes)
    axes = _without(data.axes, [place], keeps=bool(call.attributes.get("keepdims", 1)))
    return [walk.result(tensor, axes, [data], int(TensorProto.INT64))]


HANDLERS = {**dict.fromkeys(_NEUTRAL, reduce), "ArgMax": best, "ArgMin": best}
