"""ReverseSequence: each row's own steps in reverse, as TensorFlow's exporter writes a backward layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model_export.onnx_import.axes import BATCH, TIME, describe
from model_export.onnx_import.own_length import check_own_lengths
from model_export.onnx_import.own_steps import reversed_steps
from model_export.onnx_import.refusal import Unfit
from model_export.onnx_import.values import Value

if TYPE_CHECKING:
    from model_export.onnx_import.call import Call
    from model_export.onnx_import.walk import Walk


def reverse_sequence(walk: Walk, call: Call) -> list[Value]:
    data = call.data()
    time, batch = (
        int(call.attributes.get(name, place)) for place, name in enumerate(("time_axis", "batch_axis"))
    )
    if data.axes[time] != TIME or data.axes[batch] != BATCH:
        raise Unfit(f"reverses {describe((data.axes[time],))} by {describe((data.axes[batch],))}")
    check_own_lengths(walk, call, data, 1)
    walk.look_ahead("its steps are reversed")
    return [reversed_steps(walk, data, time, call.name)]


HANDLERS = {"ReverseSequence": reverse_sequence}
