"""Operators that look along an axis and keep it: Softmax, layer and batch normalisation, quantisation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto

from model_export.onnx_import.axes import TIME, describe, is_features
from model_export.onnx_import.own_steps import masked
from model_export.onnx_import.refusal import Unfit
from model_export.onnx_import.values import Constant, Value, element_of

if TYPE_CHECKING:
    from model_export.onnx_import.call import Call
    from model_export.onnx_import.walk import Walk

_LOWEST = float(np.finfo(np.float32).min)


def softmax(walk: Walk, call: Call) -> list[Value]:
    """Over features as it stands; over time, each row over its own steps."""
    value = call.data()
    place = call.axis(len(value.axes), -1)
    if value.axes[place] == TIME:
        walk.look_ahead("steps are weighed against each other")
        walk.note(f"{call.name}: the softmax over time is over each row's own steps")
        value = masked(walk, value, place, _LOWEST)
    elif not is_features(value.axes[place]):
        raise Unfit(f"runs along {describe((value.axes[place],))}")
    tensor = walk.graph.node(call.operator, value.tensor, axis=place, name=call.name)
    return [walk.result(tensor, value.axes, [value])]


def along_features(walk: Walk, call: Call) -> list[Value]:
    """One axis, or for LayerNormalization that axis and all after it: all must be features."""
    value = call.data()
    place = call.axis(len(value.axes), _DEFAULT_AXIS[call.operator])
    last = len(value.axes) if call.operator in ("LayerNormalization", "RMSNormalization") else place + 1
    looked_at = value.axes[place:last]
    if call.operator == "InstanceNormalization":
        looked_at = value.axes[1:]
    if not all(map(is_features, looked_at)):
        raise Unfit(f"runs along {describe(looked_at)}")
    return [_copied(walk, call)]


def batch_normalisation(walk: Walk, call: Call) -> list[Value]:
    """With stored statistics: the same scale for every step of every row."""
    value = call.data()
    if call.attributes.get("training_mode", 0) or call.outputs > 1:
        raise Unfit("takes its statistics from the batch: the model was exported in training mode")
    if not is_features(value.axes[1]):
        raise Unfit(f"takes {describe(value.axes[1:2])} for the channels")
    return [_copied(walk, call)]


def quantisation(walk: Walk, call: Call) -> list[Value]:
    """By a scale known beforehand, one for all or one per feature."""
    value, scale, zero = call.data(), call.input(1), call.input(2)
    place = call.attributes.get("axis", 1)
    if isinstance(scale, Constant) and scale.array.size > 1 and not is_features(value.axes[place]):
        raise Unfit(f"has a scale along {describe((value.axes[place],))}")
    element = int(TensorProto.FLOAT)
    if call.operator == "QuantizeLinear":
        element = element_of(zero) if isinstance(zero, Constant) else int(TensorProto.UINT8)
    return [_copied(walk, call, element)]


def _copied(walk: Walk, call: Call, element: int | None = None) -> Value:
    value = call.data()
    for place in range(1, len(call.inputs)):
        call.constant(place)
    names = [walk.tensor(operand) for operand in call.inputs]
    tensor = walk.graph.node(call.operator, *names, name=call.name, **call.attributes)
    return walk.result(tensor, value.axes, call.inputs, element)


_DEFAULT_AXIS = {
    "Hardmax": -1,
    "InstanceNormalization": 1,
    "LayerNormalization": -1,
    "LpNormalization": -1,
    "RMSNormalization": -1,
}
HANDLERS = {
    "Softmax": softmax,
    "LogSoftmax": softmax,
    "BatchNormalization": batch_normalisation,
    "QuantizeLinear": quantisation,
    "DequantizeLinear": quantisation,
    **dict.fromkeys(_DEFAULT_AXIS, along_features),
}
