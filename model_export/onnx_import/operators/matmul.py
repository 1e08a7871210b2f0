"""MatMul and Gemm: products over features, and over each row's own steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model_export.onnx_import.axes import TIME, Axes, Axis, broadcast, describe, is_features
from model_export.onnx_import.own_steps import masked
from model_export.onnx_import.refusal import Unfit
from model_export.onnx_import.values import Constant, Data, Value

if TYPE_CHECKING:
    from model_export.onnx_import.call import Call
    from model_export.onnx_import.walk import Walk


def matmul(walk: Walk, call: Call) -> list[Value]:
    left, right = (call.tensor(place) for place in (0, 1))
    if len(left.axes) < 2:
        raise Unfit("multiplies a vector from the left")
    inner = left.axes[-1]
    is_vector = len(right.axes) == 1
    across = right.axes[0] if is_vector else right.axes[-2]
    stacked = broadcast(left.axes[:-2], () if is_vector else right.axes[:-2])
    axes: Axes = (*stacked, left.axes[-2], *(() if is_vector else right.axes[-1:]))
    if inner == across == TIME:
        walk.look_ahead("steps are summed up")
        walk.note(f"{call.name}: the sum over time is over each row's own steps")
        left, right = _own_steps(walk, left, -1), _own_steps(walk, right, -2)
    else:
        _check_inner(inner, across)
    tensor = walk.graph.node("MatMul", walk.tensor(left), walk.tensor(right), name=call.name)
    return [walk.result(tensor, axes, [left, right])]


def gemm(walk: Walk, call: Call) -> list[Value]:
    left, right = (call.tensor(place) for place in (0, 1))
    outer, inner = left.axes[::-1] if call.attributes.get("transA", 0) else left.axes
    across, columns = right.axes[::-1] if call.attributes.get("transB", 0) else right.axes
    _check_inner(inner, across)
    axes = (outer, columns)
    added = call.input(2)
    if isinstance(added, Constant | Data) and broadcast(axes, added.axes) != axes:
        raise Unfit(f"adds {describe(added.axes)} to {describe(axes)}")
    names = [walk.tensor(left), walk.tensor(right), walk.tensor(added, inside=axes)]
    tensor = walk.graph.node("Gemm", *names, name=call.name, **call.attributes)
    return [walk.result(tensor, axes, [left, right, added])]


def _check_inner(inner: Axis, across: Axis) -> None:
    if inner != across or not is_features(inner):
        sides = f"{describe((inner,))} with {describe((across,))}"
        raise Unfit(f"sums over {sides}: only features, or time as an axis of its own, can be summed over")


def _own_steps(walk: Walk, factor: Constant | Data, place: int) -> Data:
    if not isinstance(factor, Data):
        raise Unfit("weighs steps by their place, with a fixed number of steps")
    return masked(walk, factor, place % len(factor.axes), 0)


HANDLERS = {"MatMul": matmul, "Gemm": gemm}
