"""Operators on each number by itself, with broadcasting: time stays time, batch stays batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onnx import TensorProto

from model_export.onnx_import.axes import broadcast
from model_export.onnx_import.fixed_constants import loosened
from model_export.onnx_import.folding import evaluate, evaluate_sizes
from model_export.onnx_import.index_arithmetic import (
    COMPARISONS,
    compares_with_length,
    has_index,
    index_of,
    is_mask,
)
from model_export.onnx_import.mixing import common_order
from model_export.onnx_import.own_length import with_own_lengths
from model_export.onnx_import.refusal import Unfit
from model_export.onnx_import.values import Constant, Data, Permutation, StatePart, Value, element_of, plain

if TYPE_CHECKING:
    from model_export.onnx_import.call import Call
    from model_export.onnx_import.walk import Walk

_TO_BOOL = COMPARISONS | {"And", "IsInf", "IsNaN", "Not", "Or", "Xor"}
_ON_NUMBERS = """
    Abs Acos Acosh Add Asin Asinh Atan Atanh BitShift Cast Ceil Celu Clip Cos Cosh Div Elu Erf Exp Floor Gelu
    HardSigmoid HardSwish LeakyRelu Log Max Mean Min Mish Mod Mul Neg PRelu Pow Reciprocal Relu Round Selu
    Shrink Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Sub Sum Swish Tan Tanh ThresholdedRelu Where
"""
OPERATORS = _TO_BOOL | frozenset(_ON_NUMBERS.split())


def elementwise(walk: Walk, call: Call) -> list[Value]:
    """Copy the node; its axes are those of its operands, broadcast."""
    if isinstance(call.inputs[0], Permutation) and call.operator == "Cast":
        return [call.inputs[0]]
    if any(isinstance(value, StatePart | Permutation) for value in call.inputs):
        raise Unfit("uses a state, or an order of rows, as data")
    data = [value for value in call.inputs if isinstance(value, Data)]
    if not data:
        return [_fold(walk, call)]
    with_own_lengths(walk, call)
    present = broadcast(*(value.axes for value in data))
    inputs = [
        loosened(value, present, walk.extents) if isinstance(value, Constant) else value
        for value in call.inputs
    ]
    axes = broadcast(*(value.axes for value in inputs if isinstance(value, Constant | Data)))
    names = [walk.tensor(value, inside=present) for value in inputs]
    tensor = walk.graph.node(call.operator, *names, name=call.name, **call.attributes)
    element, index = _element(call), index_of(call) if has_index(call) else None
    if has_index(call) and compares_with_length(call):
        walk.uses_lengths = True
    if index is not None or (has_index(call) and is_mask(call)):
        return [Data(tensor, axes, element, index, is_sorted=common_order(data))]
    return [walk.result(tensor, axes, inputs, element)]


def _fold(walk: Walk, call: Call) -> Constant:
    constants = [value for value in call.inputs if isinstance(value, Constant)]
    axes = broadcast(*(constant.axes for constant in constants))
    if any(constant.array.dtype == object for constant in constants):
        array = evaluate_sizes(call.operator, [constant.array for constant in constants], call.attributes)
        return Constant(plain(array).array, axes)
    return Constant(evaluate(call.node, call.arrays, walk.graph.opset)[0], axes)


def _element(call: Call) -> int:
    if call.operator == "Cast":
        return int(call.attributes["to"])
    if call.operator in _TO_BOOL:
        return int(TensorProto.BOOL)
    inputs = call.inputs[1:] if call.operator == "Where" else call.inputs
    typed = [value for value in inputs if isinstance(value, Constant | Data)]
    return element_of(next((value for value in typed if isinstance(value, Data)), typed[0]))


def identity(walk: Walk, call: Call) -> list[Value]:
    value = call.inputs[0]
    return [] if value is None else [value]


def dropout(walk: Walk, call: Call) -> list[Value]:
    """Nothing, as in evaluation; refused where the graph drops numbers at random."""
    training = call.constant(2)
    if training is not None and training.any():
        raise Unfit("drops numbers at random: the model was exported in training mode")
    if len([name for name in call.node.output if name]) > 1:
        raise Unfit("has its mask read")
    return identity(walk, call)


HANDLERS = {**dict.fromkeys(OPERATORS, elementwise), "Identity": identity, "Dropout": dropout}
