"""Import: read the file, find the axes, walk the nodes, publish the answer, verify."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from model_export.onnx_import.axes import describe
from model_export.onnx_import.fitting_walk import Original, fitting_walk
from model_export.onnx_import.graph_inputs import graph_inputs
from model_export.onnx_import.graph_outputs import answer
from model_export.onnx_import.imported_model import ImportedModel, Origin
from model_export.onnx_import.model_file import read_model
from model_export.onnx_import.readout import publish_answer, readable_answer
from model_export.onnx_import.refusal import ImportRefused
from model_export.onnx_import.sequence_layout import SequenceLayout, datatype_of
from model_export.onnx_import.source_graph import source_graph
from model_export.onnx_import.values import Data
from model_export.onnx_import.verification import verify
from model_export.onnx_import.walk import Walk
from service.domain.tensors import Array
from service.repository.manifest import Step


def import_model(
    path: Path, constants: Mapping[str, Array] | None = None, output: str | None = None
) -> ImportedModel:
    """Bring an ONNX model with LSTM, GRU or RNN nodes into the sequence-graph contract.

    `constants` gives values to graph inputs that hold weights; `output` names the answer where the
    model has several. Raises ImportRefused naming the node, input or output that cannot be made exact.
    """
    graph = source_graph(read_model(path), dict(constants or {}))
    wanted = answer(graph, output)
    nodes = graph.leading_to(wanted)
    original = Original(graph, nodes, graph_inputs(graph, nodes), wanted)
    layout, walk = fitting_walk(original)
    imported = _finished(original, layout, walk, dict(constants or {}))
    verify(path, imported)
    return imported


def _finished(
    original: Original, layout: SequenceLayout, walk: Walk, constants: dict[str, Array]
) -> ImportedModel:
    if original.inputs.lengths and not walk.uses_lengths:
        reason = "holds a whole number for each row, and is not used as its length"
        raise ImportRefused(f"input {original.inputs.lengths.name}", reason)
    data = readable_answer(walk.values[original.answer], original.answer)
    output = publish_answer(walk, data)
    origin = Origin(
        inputs=original.inputs,
        layout=layout,
        state_cells=walk.state_cells,
        output=original.answer,
        output_axes=data.axes,
        extents=walk.extents,
        symbol_count=walk.symbol_count,
        constants=constants,
    )
    return ImportedModel(
        model=walk.graph.model(original.graph.model.ir_version),
        step=_step(original, layout, walk),
        output=output,
        states=tuple(walk.states),
        causal=not walk.ahead,
        notes=tuple(_notes(original, walk, data)),
        origin=origin,
    )


def _step(original: Original, layout: SequenceLayout, walk: Walk) -> Step:
    datatype = datatype_of(original.inputs.sequence.element)
    symbol_count = None if datatype.is_floating else walk.symbol_count
    return Step(datatype=datatype, shape=layout.step, symbol_count=symbol_count)


def _notes(original: Original, walk: Walk, data: Data) -> Iterator[str]:
    """What was changed, for people."""
    yield from walk.notes
    yield f"output {original.answer!r} {describe(data.axes)} is now 'output'"
    removed = [name for name in original.graph.outputs if name != original.answer]
    if removed:
        yield f"outputs not kept: {', '.join(removed)}"
    if walk.symbol_count:
        yield f"steps hold numbers from 0 to {walk.symbol_count - 1}"
    for size, unit in ((walk.extents.time, "steps"), (walk.extents.batch, "rows")):
        if size is not None:
            yield f"the original takes exactly {size} {unit}, and the imported model any number"
    if walk.ahead:
        yield f"not causal, so it has no states: {'; '.join(walk.ahead)}"
