"""The recurrent nodes of an ONNX file: which tensors they read and write, and how they compute."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from service.inspection.activations import Activation, read_activations
from service.repository.model_file.messages import Message

_DIRECTIONS = {
    "forward": ("forward",),
    "reverse": ("reverse",),
    "bidirectional": ("forward", "reverse"),
}
_ACTIVATIONS = {"LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh"), "RNN": ("Tanh",)}
_INPUTS = {
    "LSTM": ("X", "W", "R", "B", "lengths", "h", "c", "P"),
    "GRU": ("X", "W", "R", "B", "lengths", "h"),
    "RNN": ("X", "W", "R", "B", "lengths", "h"),
}
_OUTPUTS = {"LSTM": ("Y", "Y_h", "Y_c"), "GRU": ("Y", "Y_h"), "RNN": ("Y", "Y_h")}
# Recurrence in another shape: its gates are nodes of a graph, which may be anything.
_LOOPS = ("Scan", "Loop")


@dataclass(frozen=True, slots=True)
class RecurrentLayer:
    """One LSTM, GRU or RNN node.

    `inputs` and `outputs` give the graph's name of each of the node's own tensors, by ONNX's name for it, and
    only of those the node has; `activations` has one tuple (f, g, h) for each direction.
    """

    name: str
    operator: str
    inputs: dict[str, str]
    outputs: dict[str, str]
    directions: tuple[str, ...]
    hidden_size: int
    activations: tuple[tuple[Activation, ...], ...]
    clip: float | None
    is_coupled: bool
    resets_after: bool

    @property
    def units(self) -> int:
        """Hidden units in all directions."""
        return self.hidden_size * len(self.directions)


def recurrent_layers(model: Message) -> tuple[tuple[RecurrentLayer, ...], tuple[str, ...]]:
    """The layers of a model's graph, in its order, and the recurrences in it that are no such node."""
    layers, others = [], []
    for name, node in _named(model.one("graph")):
        operator = node.one("op_type")
        if operator in _INPUTS:
            layers.append(_layer(name, operator, node))
        elif operator in _LOOPS:
            others.append(f"{name} ({operator})")
    return tuple(layers), tuple(others)


def _named(graph: Message) -> Iterator[tuple[str, Message]]:
    for node in graph.all("node"):
        yield node.one("name") or next(filter(None, node.all("output")), ""), node


def _layer(name: str, operator: str, node: Message) -> RecurrentLayer:
    said = {attribute.one("name"): attribute for attribute in node.all("attribute")}
    directions = _DIRECTIONS[_text(said.get("direction"), "forward").lower()]
    return RecurrentLayer(
        name=name,
        operator=operator,
        inputs=_given(_INPUTS[operator], node.all("input")),
        outputs=_given(_OUTPUTS[operator], node.all("output")),
        directions=directions,
        hidden_size=_integer(said.get("hidden_size")),
        activations=_activations(operator, len(directions), said),
        clip=float(_floats(said["clip"], "f")[0]) if "clip" in said else None,
        is_coupled=bool(_integer(said.get("input_forget"))),
        resets_after=bool(_integer(said.get("linear_before_reset"))),
    )


def _given(names: tuple[str, ...], tensors: list[str]) -> dict[str, str]:
    """What is left out is either not there or has the empty name."""
    return {name: tensor for name, tensor in zip(names, tensors, strict=False) if tensor}


def _activations(
    operator: str, directions: int, said: dict[str, Message]
) -> tuple[tuple[Activation, ...], ...]:
    default = _ACTIVATIONS[operator]
    given = said["activations"].all("strings") if "activations" in said else []
    names = [str(name, "utf-8") for name in given] or [*default] * directions
    alphas, betas = (
        _floats(said[name], "floats") if name in said else []
        for name in ("activation_alpha", "activation_beta")
    )
    read = read_activations(names, alphas, betas)
    each = len(default)
    return tuple(tuple(read[start : start + each]) for start in range(0, each * directions, each))


def _text(attribute: Message | None, default: str) -> str:
    return default if attribute is None else str(attribute.one("s"), "utf-8")


def _integer(attribute: Message | None) -> int:
    number: int = 0 if attribute is None else attribute.one("i", 0)
    return number


def _floats(attribute: Message, field: str) -> list[float]:
    numbers: Any = np.frombuffer(b"".join(attribute.all(field)), "<f4").tolist()
    return list(numbers)
