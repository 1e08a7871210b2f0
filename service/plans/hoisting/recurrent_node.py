"""What an LSTM, GRU or RNN node says of itself, with its weights as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnx
from onnx import numpy_helper

from service.domain.tensors import Array
from service.plans.graph import attributes, title
from service.plans.hoisting.activations import Activation, read_activations
from service.plans.refusal import PlanRefused

GATES: Final = {"LSTM": 4, "GRU": 3, "RNN": 1}
_DIRECTIONS: Final = {"forward": 1, "reverse": 1, "bidirectional": 2}
_DEFAULT_ACTIVATIONS: Final = {
    "LSTM": ("Sigmoid", "Tanh", "Tanh"),
    "GRU": ("Sigmoid", "Tanh"),
    "RNN": ("Tanh",),
}


@dataclass(frozen=True, slots=True)
class RecurrentNode:
    """One node: tensors by name, weights as arrays with a leading axis of directions.

    `weights [D, G*H, I]`, `recurrence [D, G*H, H]`, the two halves of the bias `[D, G*H]` (zeros where the
    node has none), `peepholes [D, 3*H]`. A tensor the node does not have is the empty name.
    """

    title: str
    operator: str
    x: str
    lengths: str
    initial: tuple[str, ...]
    outputs: tuple[str, ...]
    direction: str
    weights: Array
    recurrence: Array
    input_bias: Array
    recurrent_bias: Array
    peepholes: Array | None
    activations: tuple[tuple[Activation, ...], ...]
    clip: float | None
    is_coupled: bool
    resets_after: bool

    @property
    def directions(self) -> int:
        return _DIRECTIONS[self.direction]

    @property
    def gates(self) -> int:
        return GATES[self.operator]

    @property
    def hidden(self) -> int:
        return int(self.recurrence.shape[-1])


def read_recurrent_node(node: onnx.NodeProto, known: dict[str, onnx.TensorProto]) -> RecurrentNode:
    """Raises PlanRefused where the weights are computed in the graph, or the node is batch first."""
    said = attributes(node)
    if said.get("layout", 0):
        raise PlanRefused(f"{title(node)}: layout 1 (batch first) is not supported, expected layout 0")
    inputs = [*node.input, *[""] * (8 - len(node.input))]
    weights, recurrence = (_array(node, name, known) for name in inputs[1:3])
    directions, rows = weights.shape[:2]
    bias = _array(node, inputs[3], known) if inputs[3] else np.zeros((directions, 2 * rows), np.float32)
    is_lstm = node.op_type == "LSTM"
    return RecurrentNode(
        title=title(node),
        operator=node.op_type,
        x=inputs[0],
        lengths=inputs[4],
        initial=tuple(inputs[5:7] if is_lstm else inputs[5:6]),
        outputs=(*node.output, *[""] * (3 - len(node.output))),
        direction=said.get("direction", b"forward").decode(),
        weights=weights,
        recurrence=recurrence,
        input_bias=bias[:, :rows],
        recurrent_bias=bias[:, rows:],
        peepholes=_array(node, inputs[7], known) if is_lstm and inputs[7] else None,
        activations=_activations(node.op_type, directions, said),
        clip=said.get("clip"),
        is_coupled=bool(said.get("input_forget", 0)),
        resets_after=bool(said.get("linear_before_reset", 0)),
    )


def _array(node: onnx.NodeProto, name: str, known: dict[str, onnx.TensorProto]) -> Array:
    if name not in known:
        raise PlanRefused(f"{title(node)}: {name} is computed in the graph, expected constant weights")
    array = numpy_helper.to_array(known[name])
    if array.dtype != np.float32:
        raise PlanRefused(f"{title(node)}: {name} is {array.dtype}, expected float32 weights")
    return array


def _activations(operator: str, directions: int, said: dict[str, Any]) -> tuple[tuple[Activation, ...], ...]:
    """One tuple per function (f, g, h), with one activation per direction."""
    default = _DEFAULT_ACTIVATIONS[operator]
    names = [name.decode() for name in said.get("activations", [])] or [*default] * directions
    read = read_activations(names, said.get("activation_alpha", []), said.get("activation_beta", []))
    return tuple(tuple(read[position :: len(default)]) for position in range(len(default)))
