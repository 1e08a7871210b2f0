"""If: where the answer is known beforehand, the branch taken becomes part of the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onnx import numpy_helper

from model_export.onnx_import.refusal import Unfit
from model_export.onnx_import.values import Constant, Value, plain

if TYPE_CHECKING:
    from model_export.onnx_import.call import Call
    from model_export.onnx_import.walk import Walk


def branch(walk: Walk, call: Call) -> list[Value]:
    condition = call.inputs[0]
    if not isinstance(condition, Constant):
        raise Unfit("chooses a branch by computed data, for all rows at once")
    taken = call.attributes["then_branch" if condition.array.all() else "else_branch"]
    walk.values.update({tensor.name: plain(numpy_helper.to_array(tensor)) for tensor in taken.initializer})
    walk.run(taken.node)
    return [walk.values[output.name] for output in taken.output]


HANDLERS = {"If": branch}
