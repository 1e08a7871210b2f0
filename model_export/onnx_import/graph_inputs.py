"""Which input of the original is the sequence, which its lengths, which are states."""

from __future__ import annotations

from dataclasses import dataclass

import onnx
from onnx import TensorProto

from model_export.onnx_import.refusal import ImportRefused
from model_export.onnx_import.source_graph import RECURRENT, SourceGraph, read_by

Dims = tuple[int | None, ...]

_WHOLE = (TensorProto.INT32, TensorProto.INT64)
_SIZES_ONLY = frozenset({"Shape", "Size"})


@dataclass(frozen=True)
class GraphInput:
    """An input as the file declares it; None where an extent is open."""

    name: str
    element: int
    dims: Dims
    dim_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class GraphInputs:
    """The original's inputs by their part in the contract."""

    sequence: GraphInput
    lengths: GraphInput | None
    states: tuple[GraphInput, ...]


def graph_inputs(graph: SourceGraph, nodes: list[onnx.NodeProto]) -> GraphInputs:
    """Tell the inputs apart by where they lead; raises ImportRefused naming one that has no part."""
    read = {name for node in nodes for name in read_by(node)}
    found = {name: _declared(entry) for name, entry in graph.inputs.items() if name in read}
    lengths = [entry for entry in found.values() if entry.element in _WHOLE and len(entry.dims) == 1]
    starts = _leading_into(nodes, places=(5, 6))
    steps = _leading_into(nodes, places=(0,))
    rest = [entry for entry in found.values() if entry not in lengths]
    measured = {name for name in found if _is_only_measured(name, nodes)}
    states = [entry for entry in rest if entry.name in starts | measured and entry.name not in steps]
    sequences = [entry for entry in rest if entry.name in steps]
    for entry in [*rest, *lengths[1:]]:
        if entry in lengths or entry not in [*states, *sequences]:
            reason = (
                "is neither the sequence, nor its lengths, nor an initial state, and nothing else can be fed"
            )
            raise ImportRefused(f"input {entry.name}", reason)
    if len(sequences) != 1:
        names = ", ".join(entry.name for entry in sequences) or "none"
        raise ImportRefused(f"inputs {names}", "one input must lead to the recurrent nodes as their sequence")
    return GraphInputs(sequences[0], lengths[0] if lengths else None, tuple(states))


def _declared(entry: onnx.ValueInfoProto) -> GraphInput:
    kind = entry.type.tensor_type
    if not kind.HasField("shape"):
        raise ImportRefused(f"input {entry.name}", "has no declared shape, so its axes are unknown")
    dims = tuple(int(dim.dim_value) if dim.dim_value > 0 else None for dim in kind.shape.dim)
    names = tuple(dim.dim_param for dim in kind.shape.dim)
    return GraphInput(entry.name, int(kind.elem_type), dims, names)


def _is_only_measured(name: str, nodes: list[onnx.NodeProto]) -> bool:
    """Whether nothing but the input's shape is read: an exporter takes the number of rows from any input."""
    return all(node.op_type in _SIZES_ONLY for node in nodes if name in read_by(node))


def _leading_into(nodes: list[onnx.NodeProto], places: tuple[int, ...]) -> set[str]:
    """Every tensor whose numbers reach these inputs of a recurrent node."""
    wanted = {
        node.input[place]
        for node in nodes
        if node.op_type in RECURRENT
        for place in places
        if place < len(node.input)
    }
    for node in reversed(nodes):
        if wanted.intersection(node.output) and node.op_type not in _SIZES_ONLY:
            wanted.update(node.input[:1] if node.op_type in RECURRENT else read_by(node))
    return wanted
