"""Finds the reading of the original's axes under which its nodes can be walked to the end."""

from __future__ import annotations

from dataclasses import dataclass

import onnx
from onnx import TensorProto

from model_export.onnx_import.axes import BATCH, TIME, Axes, axis, describe
from model_export.onnx_import.expression import Expression, Symbol
from model_export.onnx_import.graph_inputs import Dims, GraphInput, GraphInputs
from model_export.onnx_import.refusal import ImportRefused, Misread, Unfit
from model_export.onnx_import.sequence_graph import SequenceGraph
from model_export.onnx_import.sequence_layout import SequenceLayout, layouts
from model_export.onnx_import.source_graph import RECURRENT, SourceGraph, nodes_inside
from model_export.onnx_import.values import Data, StatePart, Value, plain
from model_export.onnx_import.walk import Walk
from service.domain.signature import LENGTHS, SEQUENCE


@dataclass(frozen=True)
class Original:
    """What has to be read: the graph, the nodes that lead to its answer, and its inputs."""

    graph: SourceGraph
    nodes: list[onnx.NodeProto]
    inputs: GraphInputs
    answer: str


def fitting_walk(original: Original) -> tuple[SequenceLayout, Walk]:
    """The first reading that can be walked; raises the refusal of the one that came furthest."""
    name = original.inputs.sequence.name
    refusals = [
        (False, -1, ImportRefused(f"input {name}", "has open features whose extents no weight tells"))
    ]
    for layout in layouts(original.graph, original.inputs.sequence):
        walk = _started(original, layout, has_states=True)
        try:
            _bind(original, walk)
            walk.run(original.nodes)
            if walk.ahead:
                walk = _started(original, layout, has_states=False)
                _bind(original, walk)
                walk.run(original.nodes)
        except ImportRefused as refused:
            # A recurrent node that reads other axes says that the reading is wrong, not the model.
            refusals.append((not isinstance(refused, Misread), walk.visited, refused))
        else:
            return layout, walk
    raise max(refusals, key=lambda refusal: refusal[:2])[2]


def _started(original: Original, layout: SequenceLayout, has_states: bool) -> Walk:
    inputs, graph = original.inputs, original.graph
    new = SequenceGraph(graph.opset, inputs.sequence.element, layout.step)
    values: dict[str, Value] = {name: plain(array) for name, array in graph.constants.items()}
    nodes = [inner for node in original.nodes for inner in (node, *nodes_inside(node))]
    walk = Walk(new, values, layout.extents, sum(node.op_type in RECURRENT for node in nodes), has_states)
    axes = (TIME, BATCH, *(axis(size) for size in layout.step))
    sequence = walk.transpose(Data(SEQUENCE, axes, inputs.sequence.element), layout.order)
    values[inputs.sequence.name] = sequence
    walk.note(f"input {inputs.sequence.name!r} {describe(sequence.axes)} is now 'sequence'")
    values.update({state.name: StatePart(state.name, _state_axes(state)) for state in inputs.states})
    if inputs.lengths:
        walk.note(f"input {inputs.lengths.name!r} is now 'lengths'")
        values[inputs.lengths.name] = _lengths(walk, inputs.lengths)
    return walk


def _lengths(walk: Walk, given: GraphInput) -> Data:
    is_same = given.element == TensorProto.INT32
    tensor = LENGTHS if is_same else walk.graph.once("Cast", LENGTHS, to=given.element)
    return Data(tensor, (BATCH,), given.element, Expression.of(Symbol.LENGTH))


def _state_axes(state: GraphInput) -> Axes | None:
    rest = [dim for place, dim in enumerate(state.dims) if place != batch_axis(state.dims)]
    if None in rest:
        return None
    return tuple(
        BATCH if place == batch_axis(state.dims) else axis(dim or 1) for place, dim in enumerate(state.dims)
    )


def batch_axis(dims: Dims) -> int:
    """The batch among a state input's axes: the open one, else the second of `[layers, batch, hidden]`."""
    open_axes = [place for place, dim in enumerate(dims[:-1]) if dim is None]
    return open_axes[0] if len(open_axes) == 1 else max(len(dims) - 2, 0)


def _bind(original: Original, walk: Walk) -> None:
    """Take over the number of rows that states and lengths are declared for."""
    inputs = original.inputs
    places = [(state, batch_axis(state.dims)) for state in inputs.states]
    for given, place in [*places, *([(inputs.lengths, 0)] if inputs.lengths else [])]:
        size = given.dims[place] if place < len(given.dims) else None
        if size is None:
            continue
        try:
            walk.extents.bind(Symbol.BATCH, size)
        except Unfit as unfit:
            raise Misread(f"input {given.name}", str(unfit)) from unfit
