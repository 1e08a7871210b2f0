"""The graph to be imported, as questions about it: its nodes, its inputs, and who reads what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import onnx
from onnx import numpy_helper

from model_export.onnx_import.refusal import ImportRefused
from service.domain.tensors import Array

RECURRENT = frozenset({"LSTM", "GRU", "RNN"})
LOOPS = frozenset({"Loop", "Scan"})


@dataclass(frozen=True)
class SourceGraph:
    """Someone else's model with all its constants at hand."""

    model: onnx.ModelProto
    constants: dict[str, Array]

    @property
    def opset(self) -> int:
        return next(
            int(entry.version) for entry in self.model.opset_import if entry.domain in ("", "ai.onnx")
        )

    @property
    def inputs(self) -> dict[str, onnx.ValueInfoProto]:
        """What a caller must feed: graph inputs without a value of their own."""
        return {entry.name: entry for entry in self.model.graph.input if entry.name not in self.constants}

    @property
    def outputs(self) -> list[str]:
        return [entry.name for entry in self.model.graph.output]

    @property
    def nodes(self) -> list[onnx.NodeProto]:
        return list(self.model.graph.node)

    def leading_to(self, wanted: str) -> list[onnx.NodeProto]:
        """The nodes that compute `wanted`, in the order of the file."""
        names, found = {wanted}, []
        for node in reversed(self.nodes):
            if names.intersection(node.output):
                found.append(node)
                names.update(read_by(node))
        return found[::-1]


def source_graph(model: onnx.ModelProto, constants: dict[str, Array]) -> SourceGraph:
    """Gather the constants: initializers, and values given for inputs; refuses a graph without recurrence."""
    known = {tensor.name: _array(tensor) for tensor in model.graph.initializer}
    graph = SourceGraph(model, known | constants)
    if not any(node.op_type in RECURRENT for node in graph.nodes):
        for node in graph.nodes:
            if node.op_type in LOOPS or any(inner.op_type in RECURRENT for inner in nodes_inside(node)):
                reason = f"its recurrence is inside {node.op_type}, where lengths and states cannot be given"
                raise ImportRefused(label(node), reason)
        raise ImportRefused(model.graph.name or "graph", "holds no LSTM, GRU or RNN node")
    return graph


def _array(tensor: onnx.TensorProto) -> Array:
    try:
        return numpy_helper.to_array(tensor)
    except Exception as failure:
        raise ImportRefused(tensor.name, f"its data does not fit its shape: {failure}") from failure


def label(node: onnx.NodeProto) -> str:
    """How a node is called in notes and refusals."""
    return node.name or f"{node.op_type} ({next(filter(None, node.output), '')})"


def read_by(node: onnx.NodeProto) -> set[str]:
    """The tensors a node reads, those its subgraphs take from outside included."""
    names = set(filter(None, node.input))
    for graph in _subgraphs(node):
        own = {entry.name for entry in [*graph.input, *graph.initializer]}
        own.update(name for inner in graph.node for name in inner.output)
        names.update(name for inner in graph.node for name in read_by(inner) if name not in own)
        names.update(entry.name for entry in graph.output if entry.name not in own)
    return names


def nodes_inside(node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
    """The nodes of a node's subgraphs, at every depth."""
    for graph in _subgraphs(node):
        for inner in graph.node:
            yield inner
            yield from nodes_inside(inner)


def _subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs
