"""What an import gives: the model in the contract's form, its description, and where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import onnx

from model_export.onnx_import.axes import Axes, Extents
from model_export.onnx_import.graph_inputs import GraphInputs
from model_export.onnx_import.recurrent_cell import RecurrentCell
from model_export.onnx_import.sequence_layout import SequenceLayout
from service.domain.signature import Signature, StateSpec
from service.domain.tensors import Array
from service.repository.manifest import Output, State, Step


@dataclass(frozen=True)
class Origin:
    """How to feed and read the original as it stands."""

    inputs: GraphInputs
    layout: SequenceLayout
    state_cells: Mapping[str, list[RecurrentCell]]
    output: str
    output_axes: Axes
    extents: Extents
    symbol_count: int | None
    constants: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True)
class ImportedModel:
    """Someone else's model in the sequence-graph contract; `notes` say what was changed."""

    model: onnx.ModelProto
    step: Step
    output: Output
    states: tuple[State, ...]
    causal: bool
    notes: tuple[str, ...]
    origin: Origin

    @property
    def signature(self) -> Signature:
        """The part of the contract that the request path needs."""
        return Signature(
            step_datatype=self.step.datatype,
            step_shape=self.step.shape,
            output_shape=self.output.shape,
            readout=self.output.readout,
            states=tuple(StateSpec(state.input, state.output, state.shape) for state in self.states),
        )
