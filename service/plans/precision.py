"""A float32 graph brought to fp16 or bf16: the types are in the graph, TensorRT has no switch for them.

Products (matrix products, convolutions) read and give half floats, and what only moves or clips their results
stays half. All else is float32: normalisation, activations, a cell's additions, softmax. So a forget gate of
0.9999 does not become 1, and what a cell keeps over a thousand steps is not rounded a thousand times.
ONNX Runtime's converter chooses a type per operator, where one loop must carry h as half and c as float32:
after 1000 steps of digits its c was 2.5 off and this one's is 0.07, after 48 steps of winds its forecast was
0.015 off and this one's is 0.0014.
"""

from __future__ import annotations

from typing import Final

import onnx
from onnx import TensorProto, helper

from service.plans.carried_states import PRODUCTS, SHAPING, is_only_multiplied
from service.plans.graph import NodeWriter, attributes, constants, remove_unused, replace_nodes, subgraphs
from service.plans.half_floats import ELEMENTS, weights_in_half
from service.plans.plan import Precision

_FOLLOWING: Final = SHAPING | {"MaxPool", "Relu"}
_INDIFFERENT: Final = {"Cast", "Shape", "Size"}


def in_precision(model: onnx.ModelProto, precision: Precision) -> onnx.ModelProto:
    """The graph with its products in half floats; inputs and outputs keep their types.

    Raises PlanRefused, naming it, where a weight is beyond what the precision can hold.
    """
    if precision is Precision.FP32:
        return model
    inferred = onnx.shape_inference.infer_shapes(model)
    conversion = _Conversion(precision, inferred.graph)
    conversion.convert(inferred.graph)
    inferred.graph.initializer.extend(conversion.writer.initializers)
    remove_unused(inferred.graph)
    return inferred


def _float_names(graph: onnx.GraphProto) -> set[str]:
    """Every float32 value, those of subgraphs too."""
    values = [*graph.input, *graph.output, *graph.value_info]
    names = {value.name for value in values if value.type.tensor_type.elem_type == TensorProto.FLOAT}
    for node in graph.node:
        for body in subgraphs(node):
            names |= _float_names(body)
    return names


class _Conversion:
    """Rewrites a graph node by node. A value made in half has its name in `_halves`.

    `_forms` says under which name a value is to be had in float32 (False) or half (True), where it is not the
    value's own name in float32.
    """

    def __init__(self, precision: Precision, graph: onnx.GraphProto) -> None:
        self._precision = precision
        self._constants = constants(graph)
        self._floats = _float_names(graph) | {
            name for name, tensor in self._constants.items() if tensor.data_type == TensorProto.FLOAT
        }
        self._halves: set[str] = set()
        self._forms: dict[tuple[str, bool], str] = {}
        self.writer = NodeWriter("half")

    def convert(self, graph: onnx.GraphProto) -> None:
        """Convert the main graph; an output made in half is cast back under its own name."""
        with self.writer.body() as nodes:
            for node in graph.node:
                self._convert_node(node)
            for name in {value.name for value in graph.output} & self._halves:
                half = self._forms[name, True]
                nodes.append(helper.make_node("Cast", [half], [name], name=name, to=TensorProto.FLOAT))
        replace_nodes(graph, nodes)

    def _convert_node(self, node: onnx.NodeProto) -> None:
        if node.op_type == "Scan":
            self._convert_scan(node)
        elif node.op_type not in _INDIFFERENT:
            is_half = self._is_half(node)
            for body in subgraphs(node):
                self._convert_body(body, [False] * len(body.input), [False] * len(body.output))
            self._read(node, [is_half] * len(node.input))
            self._make(node, [is_half] * len(node.output))
        else:
            self._read(node, [name in self._halves for name in node.input])
        self.writer.nodes.append(node)

    def _is_half(self, node: onnx.NodeProto) -> bool:
        """Whether a node computes in half: a product, or what follows one and adds only constants."""
        if node.op_type in PRODUCTS:
            return True
        varying = [name for name in node.input if name in self._floats and name not in self._constants]
        follows = node.op_type in _FOLLOWING or (node.op_type == "Add" and len(varying) == 1)
        return follows and bool(varying) and self._halves.issuperset(varying)

    def _convert_scan(self, node: onnx.NodeProto) -> None:
        """A state that is only multiplied is carried in half; what a step puts out is stored in half."""
        said = attributes(node)
        body = next(attribute.g for attribute in node.attribute if attribute.name == "body")
        states = len(node.input) - said["num_scan_inputs"]
        carried = [is_only_multiplied(body, value.name) for value in body.input[:states]]
        reads = [*carried, *(name in self._halves for name in node.input[states:])]
        makes = [*carried, *[True] * (len(node.output) - states)]
        self._read(node, reads)
        self._convert_body(body, reads, makes)
        self._make(node, makes)

    def _convert_body(self, body: onnx.GraphProto, reads: list[bool], makes: list[bool]) -> None:
        """Convert a subgraph whose inputs and outputs are half where told; casts in it stay in it."""
        around = dict(self._forms)
        for value, is_half in zip(body.input, reads, strict=True):
            if is_half and value.name in self._floats:
                value.name = self._made_in_half(value.name)
                value.type.tensor_type.elem_type = ELEMENTS[self._precision]
        with self.writer.body() as nodes:
            for node in body.node:
                self._convert_node(node)
            for value, is_half in zip(body.output, makes, strict=True):
                if value.name in self._floats:
                    value.name = self._form(value.name, is_half)
                    element = ELEMENTS[self._precision] if is_half else TensorProto.FLOAT
                    value.type.tensor_type.elem_type = element
        replace_nodes(body, nodes)
        self._forms = around

    def _read(self, node: onnx.NodeProto, are_half: list[bool]) -> None:
        node.input[:] = [
            self._form(name, is_half) for name, is_half in zip(node.input, are_half, strict=True)
        ]

    def _make(self, node: onnx.NodeProto, are_half: list[bool]) -> None:
        node.output[:] = [
            self._made_in_half(name) if is_half and name in self._floats else name
            for name, is_half in zip(node.output, are_half, strict=True)
        ]

    def _made_in_half(self, name: str) -> str:
        self._halves.add(name)
        self._forms[name, True] = self.writer.name("value")
        return self._forms[name, True]

    def _form(self, name: str, is_half: bool) -> str:
        """The name of a value in the type asked, after a cast where it is not there yet."""
        if name not in self._floats or not (is_half or name in self._halves):
            return name
        if (name, is_half) not in self._forms:
            self._forms[name, is_half] = self._cast(name, is_half)
        return self._forms[name, is_half]

    def _cast(self, name: str, is_half: bool) -> str:
        if not is_half:
            return self.writer.add("Cast", self._forms[name, True], to=TensorProto.FLOAT)
        if name in self._constants:
            weights = weights_in_half(self._constants[name], name, self._precision)
            return self.writer.constant(weights, "weights")
        return self.writer.add("Cast", name, to=ELEMENTS[self._precision])
