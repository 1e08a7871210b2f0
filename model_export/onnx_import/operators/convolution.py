"""Convolution and pooling within each step; over time they are refused, but for pooling over all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
from onnx import helper

from model_export.onnx_import.axes import Axes, axis, describe, is_features, stored_extent
from model_export.onnx_import.operators.reductions import reduced
from model_export.onnx_import.refusal import Unfit
from model_export.onnx_import.values import Data, Value

if TYPE_CHECKING:
    from model_export.onnx_import.call import Call
    from model_export.onnx_import.walk import Walk

_POOLED = {"GlobalAveragePool": "ReduceMean", "GlobalMaxPool": "ReduceMax"}
_LOCAL = ("AveragePool", "Conv", "ConvTranspose", "DepthToSpace", "LpPool", "LRN", "MaxPool", "SpaceToDepth")


def local(walk: Walk, call: Call) -> list[Value]:
    """The first axis may hold any rows and steps; channels and space must be features."""
    data = call.data()
    if not all(map(is_features, data.axes[1:])):
        raise Unfit(
            f"slides over {describe(data.axes[1:])}: it mixes steps, and the first step has no neighbour"
        )
    if call.outputs > 1:
        raise Unfit("has more than one output")
    for place in range(1, len(call.inputs)):
        call.constant(place)
    names = [walk.tensor(operand) for operand in call.inputs]
    tensor = walk.graph.node(call.operator, *names, name=call.name, **call.attributes)
    return [walk.result(tensor, (data.axes[0], *_space(walk, call, data)), call.inputs)]


def pooled(walk: Walk, call: Call) -> list[Value]:
    """Over all of space, which may be time."""
    data = call.data()
    places = list(range(2, len(data.axes)))
    return [reduced(walk, call, data, places, keeps=True, operator=_POOLED[call.operator])]


def _space(walk: Walk, call: Call, data: Data) -> Axes:
    """Channels and extents of the result, by ONNX shape inference of this node alone."""
    name = call.node.input[0]
    shape: list[str | int] = ["rows", *map(stored_extent, data.axes[1:])]
    weights = [
        onnx.numpy_helper.from_array(array, given)
        for place, given in enumerate(call.node.input)
        if place and given and (array := call.constant(place)) is not None
    ]
    graph = helper.make_graph(
        [call.node],
        "one_node",
        [helper.make_tensor_value_info(name, data.element, shape)],
        [onnx.ValueInfoProto(name=call.node.output[0])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", walk.graph.opset)])
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph.output[0]
    extents = [dim.dim_value for dim in inferred.type.tensor_type.shape.dim[1:]]
    if not extents or min(extents) < 1:
        raise Unfit("has a result of unknown shape")
    return tuple(axis(size) for size in extents)


HANDLERS = {**dict.fromkeys(_LOCAL, local), **dict.fromkeys(_POOLED, pooled)}
