"""Follows lengths, rows and positions through arithmetic, and knows a mask of own steps when it sees one."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from model_export.onnx_import.call import Call
from model_export.onnx_import.expression import Expression, Symbol, compare
from model_export.onnx_import.values import Constant, Data, Value

COMPARISONS = frozenset({"Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"})


def index_of(call: Call) -> Expression | None:
    """What the result holds, where the operands are known whole numbers and the result is one."""
    numbers = [_number(value) for value in call.inputs]
    first, second = (*numbers, None)[:2]
    if first is None:
        return None
    if call.operator == "Cast":
        return None if call.attributes["to"] == TensorProto.BOOL else first
    if call.operator == "Clip":
        return first if _is_within(first, call, numbers) else None
    return _arithmetic(call.operator, first, second) if second is not None else None


def _arithmetic(operator: str, first: Expression, second: Expression) -> Expression | None:
    results = {"Add": first + second, "Sub": first - second, "Mul": first * second}
    if operator == "Max" and compare("Less", first, second) is False:
        return first
    return results.get(operator)


def is_mask(call: Call) -> bool:
    """Whether a comparison of indices has the same answer on every step that counts."""
    if call.operator not in COMPARISONS:
        return False
    left, right = (_number(value) for value in call.inputs)
    return left is not None and right is not None and compare(call.operator, left, right) is not None


def compares_with_length(call: Call) -> bool:
    """Whether positions are compared with lengths, as only a mask of own steps does."""
    if call.operator not in COMPARISONS:
        return False
    numbers = [number for number in map(_number, call.inputs) if number is not None]
    return {Symbol.LENGTH, Symbol.POSITION} <= frozenset().union(*(number.symbols for number in numbers))


def has_index(call: Call) -> bool:
    return any(isinstance(value, Data) and value.index for value in call.inputs)


def _is_within(first: Expression, call: Call, numbers: list[Expression | None]) -> bool:
    for place, operator in ((1, "Less"), (2, "Greater")):
        if call.input(place) is None:
            continue
        bound = numbers[place]
        if bound is None or compare(operator, first, bound) is not False:
            return False
    return True


def _number(value: Value | None) -> Expression | None:
    """The one whole number everywhere in a tensor."""
    if isinstance(value, Data):
        return value.index
    if not isinstance(value, Constant) or value.array.size != 1:
        return None
    entry = value.array.reshape(-1)[0]
    if not isinstance(entry, Expression) and (not np.isfinite(entry) or entry != int(entry)):
        return None
    return Expression.of(entry)
