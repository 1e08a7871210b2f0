"""Reading and writing ONNX graphs: constants by name, nodes in subgraphs, new nodes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from service.domain.tensors import Array


def subgraphs(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    """The bodies of a Scan or Loop, the branches of an If."""
    return [attribute.g for attribute in node.attribute if attribute.HasField("g")]


def all_nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Every node, those of subgraphs behind the node that owns them."""
    for node in graph.node:
        yield node
        for body in subgraphs(node):
            yield from all_nodes(body)


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


def title(node: onnx.NodeProto) -> str:
    """How a person finds the node: its name, or what it computes where it has none."""
    return f"{node.op_type} {node.name or node.output[0]!r}"


def constants(graph: onnx.GraphProto) -> dict[str, onnx.TensorProto]:
    """Initializers and the outputs of Constant nodes by name, those of subgraphs too."""
    found = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].HasField("t"):
            found[node.output[0]] = node.attribute[0].t
        for body in subgraphs(node):
            found |= constants(body)
    return found


def used_names(graph: onnx.GraphProto) -> set[str]:
    """Everything that a node or an output reads, also from within subgraphs."""
    names = {value.name for value in graph.output}
    for node in graph.node:
        names.update(node.input, *map(used_names, subgraphs(node)))
    return names


def remove_unused(graph: onnx.GraphProto) -> None:
    """Drop nodes and initializers that no output of the graph depends on."""
    used = {value.name for value in graph.output}
    kept = []
    for node in reversed(graph.node):
        if not used.isdisjoint(node.output):
            kept.append(node)
            used.update(node.input, *map(used_names, subgraphs(node)))
    replace_nodes(graph, kept[::-1])
    initializers = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(initializers)


def replace_nodes(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> None:
    """Give a graph other nodes, which may be its own; what was said of values between them is forgotten."""
    kept = [*nodes]
    del graph.node[:]
    graph.node.extend(kept)
    del graph.value_info[:]


class NodeWriter:
    """New nodes and constants for a graph, their names under a prefix of their own."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._names = 0
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def name(self, hint: str) -> str:
        self._names += 1
        return f"{self._prefix}/{hint}_{self._names}"

    def constant(self, array: Array | np.generic | list[int], hint: str = "constant") -> str:
        """Store an initializer, whole numbers as int64; returns its name."""
        name = self.name(hint)
        self.initializers.append(numpy_helper.from_array(np.array(array, order="C"), name))
        return name

    def several(self, operator: str, *inputs: str, outputs: int, **options: Any) -> list[str]:
        """Add a node with several outputs; returns their names."""
        names = [self.name(operator.lower()) for _ in range(outputs)]
        self.nodes.append(helper.make_node(operator, inputs, names, name=names[0], **options))
        return names

    def add(self, operator: str, *inputs: str, **options: Any) -> str:
        """Add a node with one output; returns its name."""
        return self.several(operator, *inputs, outputs=1, **options)[0]

    def split(self, tensor: str, parts: int, size: int, axis: int) -> list[str]:
        """Cut an axis of `parts * size` into `parts`; one part is the tensor itself."""
        if parts == 1:
            return [tensor]
        return self.several("Split", tensor, self.constant([size] * parts), outputs=parts, axis=axis)

    def join(self, tensors: list[str], axis: int) -> str:
        """Put tensors one after the other along an axis; one tensor is itself."""
        return tensors[0] if len(tensors) == 1 else self.add("Concat", *tensors, axis=axis)

    @contextmanager
    def body(self) -> Iterator[list[onnx.NodeProto]]:
        """Nodes added inside go into the list given, not into the graph; constants stay outside."""
        around, self.nodes = self.nodes, []
        try:
            yield self.nodes
        finally:
            self.nodes = around
