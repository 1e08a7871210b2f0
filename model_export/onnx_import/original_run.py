"""Running the original as it stands: ONNX Runtime, or the ONNX reference where ONNX Runtime cannot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import helper
from onnx.reference import ReferenceEvaluator

from model_export.onnx_import.fitting_walk import batch_axis
from model_export.onnx_import.graph_inputs import GraphInput
from model_export.onnx_import.imported_model import Origin
from model_export.onnx_import.readout import in_contract
from model_export.onnx_import.refusal import ImportRefused
from model_export.onnx_import.source_graph import SourceGraph, read_by
from service.backends.onnxruntime_import import ort
from service.domain.tensors import Array

_FATAL = 4


class OriginalRun:
    """The original on full-length sequences from fresh states, its answer where the contract has it."""

    def __init__(self, path: Path, origin: Origin) -> None:
        self._path = path
        self._origin = origin
        options = ort.SessionOptions()
        options.log_severity_level = _FATAL
        options.intra_op_num_threads = 1
        model = _leading_to(onnx.load(path), origin.output)
        self._fed = {entry.name for entry in model.graph.input}
        self._session: ort.InferenceSession | ReferenceEvaluator
        try:
            providers = ["CPUExecutionProvider"]
            self._session = ort.InferenceSession(model.SerializeToString(), options, providers=providers)
        except Exception:  # noqa: BLE001
            # ONNX Runtime raises many kinds. It refuses layout 1, which the reference knows.
            self._session = ReferenceEvaluator(model)

    def answer(self, sequence: Array) -> Array:
        """`sequence [time, batch, *step]` to the contract's output; raises ImportRefused where it fails."""
        time, batch = sequence.shape[:2]
        origin = self._origin
        feeds = {name: array for name, array in origin.constants.items() if name in self._fed}
        feeds[origin.inputs.sequence.name] = np.ascontiguousarray(sequence.transpose(origin.layout.order))
        for state in origin.inputs.states:
            feeds[state.name] = self._fresh(state, batch)
        if origin.inputs.lengths:
            given = origin.inputs.lengths
            feeds[given.name] = np.full(batch, time, helper.tensor_dtype_to_np_dtype(given.element))
        try:
            (output,) = self._session.run([origin.output], feeds)
        except Exception as failure:
            reason = f"the original does not run on {batch} rows of {time} steps: {failure}"
            raise ImportRefused(self._path.name, reason) from failure
        return self._moved(np.asarray(output), time, batch)

    def _moved(self, output: Array, time: int, batch: int) -> Array:
        try:
            return in_contract(output, self._origin.output_axes, time, batch)
        except ValueError as failure:
            reason = f"the original's output has shape {list(output.shape)} for {batch} rows of {time} steps"
            raise ImportRefused(self._path.name, reason) from failure

    def _fresh(self, state: GraphInput, rows: int) -> Array:
        """Zeros; an extent the file leaves open is the batch, or what the nodes that read it need."""
        cells = self._origin.state_cells.get(state.name, [])
        needed = [sum(cell.directions for cell in cells)] * (len(state.dims) - 1)
        needed.append(cells[0].hidden if cells else 1)
        needed[batch_axis(state.dims)] = rows
        shape = [dim or size or 1 for dim, size in zip(state.dims, needed, strict=True)]
        return np.zeros(shape, helper.tensor_dtype_to_np_dtype(state.element))


def _leading_to(model: onnx.ModelProto, answer: str) -> onnx.ModelProto:
    """The model with this output only: others may need inputs, or sizes, that this one does not."""
    graph = model.graph
    nodes = SourceGraph(model, {}).leading_to(answer)
    read = {name for node in nodes for name in read_by(node)}
    inputs = [entry for entry in graph.input if entry.name in read]
    outputs = [entry for entry in graph.output if entry.name == answer]
    for field, kept in ((graph.node, nodes), (graph.input, inputs), (graph.output, outputs)):
        copies = [type(entry)() for entry in kept]
        for copy, entry in zip(copies, kept, strict=True):
            copy.CopyFrom(entry)
        del field[:]
        field.extend(copies)
    return model
