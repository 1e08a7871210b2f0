"""A model whose layers can be looked into: ONNX Runtime gives what they read, NumPy what they did."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from service.backends.onnxruntime_import import ort
from service.backends.onnxruntime_session import create_session
from service.backends.protocol import Artifact
from service.domain.signature import LENGTHS, OUTPUT, SEQUENCE
from service.domain.tensors import Array
from service.errors import EngineFailed, InvalidRequest
from service.inspection.extra_outputs import with_outputs
from service.inspection.inspection import InspectedLayer, Inspection, layer_difference
from service.inspection.recurrence import quantities
from service.inspection.recurrent_layers import RecurrentLayer, recurrent_layers
from service.repository.model_file.messages import read_model
from service.repository.proving import blank_batch


class InspectedModel:
    """A session of its own, on the CPU, so that no engine that serves is touched.

    Raises InvalidRequest where the model has no layer that can be looked into.
    """

    def __init__(self, artifact: Artifact) -> None:
        content = artifact.content()
        self._signature = artifact.signature
        self.layers, self._others = recurrent_layers(read_model(content))
        if not self.layers:
            found = ", ".join(self._others) or "none"
            raise InvalidRequest(
                f"model: only LSTM, GRU and RNN nodes can be inspected, and it has no such node; its other "
                f"recurrences: {found}"
            )
        self._tensors = _tensors(self.layers)
        self._fed = {SEQUENCE, LENGTHS, *(state.input for state in self._signature.states)}
        given = {OUTPUT, *(state.output for state in self._signature.states)}
        further = with_outputs(content, sorted(self._tensors - self._fed - given))
        self._session = create_session(ort, artifact, 1, is_cuda=False, content=further)

    @property
    def units(self) -> int:
        """Hidden units of all layers and directions."""
        return sum(layer.units for layer in self.layers)

    def inspect(self, sequence: Array, check: Callable[[], None]) -> Inspection:
        """For one sequence `[steps, *step]` from fresh states; `check` is called often, and may raise.

        Raises EngineFailed where the session fails, or what was computed anew is not what it computed.
        """
        known = self._run(sequence)
        check()
        inspected = tuple(_inspected(layer, known, check) for layer in self.layers)
        differences = [
            layer_difference(each, {name: known[tensor] for name, tensor in each.layer.outputs.items()})
            for each in inspected
        ]
        output = known[OUTPUT]
        return Inspection(
            inspected,
            self._others,
            output[:, 0] if self._signature.has_step_outputs else output[0],
            max(differences),
        )

    def _run(self, sequence: Array) -> dict[str, Array]:
        """What goes into the layers and comes out of them, by the graph's names, with what is fed."""
        batch = blank_batch(self._signature, 1, len(sequence))
        batch.sequence[:, 0] = sequence
        states = [state.input for state in self._signature.states]
        feeds: dict[str, Any] = {SEQUENCE: batch.sequence, LENGTHS: batch.lengths}
        feeds |= zip(states, batch.states, strict=True)
        names = sorted({OUTPUT} | self._tensors - self._fed)
        try:
            found = self._session.run(names, feeds)
        except Exception as failure:
            raise EngineFailed(f"inspection: ONNX Runtime: {failure}") from failure
        return feeds | dict(zip(names, found, strict=True))


def _tensors(layers: tuple[RecurrentLayer, ...]) -> set[str]:
    return {
        tensor for layer in layers for tensor in (*layer.inputs.values(), *layer.outputs.values())
    }  # fmt: skip


def _inspected(
    layer: RecurrentLayer, known: Mapping[str, Array], check: Callable[[], None]
) -> InspectedLayer:
    tensors = {name: known[tensor] for name, tensor in layer.inputs.items()}
    rows = tensors["X"].shape[1]
    if rows != 1:
        raise InvalidRequest(
            f"model: {layer.name} runs over {rows} rows for one sequence: expected a layer that runs over one"
        )
    return InspectedLayer(
        layer,
        tuple(quantities(layer, direction, tensors, check) for direction in range(len(layer.directions))),
    )
