"""What TensorRT's parser refuses, or reads otherwise than ONNX Runtime: refused here, with the node's name.

Two of these would build without a word and compute something else: a clip (the parser bounds the cell too)
and the activation Softplus (the parser makes it the constant 0). Doubles would be built as floats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from service.plans.graph import all_nodes, attributes, title
from service.plans.hoisting.activations import WITH_ALPHA, WITH_BETA, Activation, read_activations
from service.plans.plan import Precision
from service.plans.refusal import PlanRefused

_RECURRENT: Final = {"LSTM": 3, "GRU": 2, "RNN": 1}
"""The recurrent operators, and how many activations a direction of each has."""
_MISREAD: Final = {"softplus", "affine"}
_SEQUENCE_LENGTHS = 4
_HOIST = "expected the hoisted route, which computes it exactly"

_Rule = Callable[[onnx.NodeProto, Precision], bool]


def _activations(node: onnx.NodeProto) -> list[Activation]:
    said = attributes(node)
    names = [name.decode() for name in said.get("activations", [])]
    return read_activations(names, said.get("activation_alpha", []), said.get("activation_beta", []))


def _is_misread_activation(node: onnx.NodeProto, precision: Precision) -> bool:
    return not _MISREAD.isdisjoint(activation.function for activation in _activations(node))


def _directions_differ(node: onnx.NodeProto, precision: Precision) -> bool:
    activations, count = _activations(node), _RECURRENT[node.op_type]
    return len(activations) > count and activations[:count] != activations[count:]


def _is_half_with_lengths(node: onnx.NodeProto, precision: Precision) -> bool:
    has_lengths = len(node.input) > _SEQUENCE_LENGTHS and bool(node.input[_SEQUENCE_LENGTHS])
    return precision is not Precision.FP32 and has_lengths


_RECURRENT_RULES: Final[tuple[tuple[_Rule, str], ...]] = (
    (lambda node, _: attributes(node).get("layout", 0) != 0, "layout 1 (batch first), expected layout 0"),
    (lambda node, _: attributes(node).get("input_forget", 0) != 0, f"input_forget (coupled gates), {_HOIST}"),
    (lambda node, _: "clip" in attributes(node), f"clip, which TensorRT applies to the cell too, {_HOIST}"),
    (_is_misread_activation, f"activation Softplus or Affine, {_HOIST}"),
    (_directions_differ, f"activations that differ between directions, {_HOIST}"),
    (_is_half_with_lengths, "sequence_lens in half precision, expected fp32 or the hoisted route"),
    (
        lambda node, precision: node.op_type == "GRU" and precision is Precision.BF16,
        "a GRU in bf16, expected fp32, fp16 or the hoisted route",
    ),
)


def refuse_misread(model: onnx.ModelProto, precision: Precision) -> None:
    """Raise PlanRefused with the first node the parser would get wrong, and the reason."""
    for name in _doubles(model):
        raise PlanRefused(f"{name}: 64-bit floats, which TensorRT builds as 32-bit; expected float32")
    for node in all_nodes(model.graph):
        if "Sequence" in node.op_type:
            raise PlanRefused(f"{title(node)}: sequences of tensors, expected tensors only")
        if node.op_type in _RECURRENT:
            _refuse_recurrent(node, precision)


def _refuse_recurrent(node: onnx.NodeProto, precision: Precision) -> None:
    for is_broken, what in _RECURRENT_RULES:
        if is_broken(node, precision):
            raise PlanRefused(f"{title(node)}: {what}")


def _doubles(model: onnx.ModelProto) -> Iterator[str]:
    graph = model.graph
    yield from (value.name for value in graph.input if value.type.tensor_type.elem_type == TensorProto.DOUBLE)
    yield from (tensor.name for tensor in graph.initializer if tensor.data_type == TensorProto.DOUBLE)
    for node in all_nodes(graph):
        said = attributes(node).values()
        is_cast = node.op_type == "Cast" and TensorProto.DOUBLE in said
        if is_cast or any(isinstance(v, TensorProto) and v.data_type == TensorProto.DOUBLE for v in said):
            yield title(node)


def spell_out(model: onnx.ModelProto) -> None:
    """Say what ONNX lets a graph leave out and TensorRT's parser fills in otherwise than ONNX Runtime."""
    for node in all_nodes(model.graph):
        if node.op_type in _RECURRENT:
            _spell_out_activations(node)
    _give_loops_a_condition(model)


def _spell_out_activations(node: onnx.NodeProto) -> None:
    """Without a number TensorRT takes 1 for ScaledTanh and ThresholdedRelu, ONNX Runtime 0."""
    activations = _activations(node)
    kept = [attribute for attribute in node.attribute if not attribute.name.startswith("activation_")]
    del node.attribute[:]
    node.attribute.extend(kept)
    for name, takers, position in (("activation_alpha", WITH_ALPHA, 1), ("activation_beta", WITH_BETA, 2)):
        numbers = [activation[position] for activation in activations if activation.function in takers]
        if numbers:
            node.attribute.append(helper.make_attribute(name, numbers))


def _give_loops_a_condition(model: onnx.ModelProto) -> None:
    """A Loop without a condition means true."""
    name = "loops/always"
    loops = [node for node in all_nodes(model.graph) if node.op_type == "Loop" and not node.input[1]]
    for node in loops:
        node.input[1] = name
    if loops:
        model.graph.initializer.append(numpy_helper.from_array(np.array(True), name))
