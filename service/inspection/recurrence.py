"""LSTM, GRU and RNN computed anew in float64, step by step, keeping what an engine throws away.

The weights are ONNX's: gates one below the other, an LSTM's in the order input, output, forget, candidate, a
GRU's update, reset, candidate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from service.domain.tensors import Array
from service.inspection.activations import Activation
from service.inspection.recurrent_layers import RecurrentLayer

GATES = {
    "LSTM": ("input", "forget", "output", "candidate"),
    "GRU": ("update", "reset", "candidate"),
    "RNN": (),
}
CELL, HIDDEN = "cell", "hidden"

Quantities: TypeAlias = dict[str, Array]
"""What a layer computed in one direction: by name, `[steps, hidden]`, or `[hidden]` of one step."""

_Step: TypeAlias = "Callable[[_Weights, Array, Quantities], Quantities]"


@dataclass(frozen=True, slots=True)
class _Weights:
    """One direction's; `x_bias` is added before the steps, `h_bias` within them."""

    layer: RecurrentLayer
    w: Array
    r: Array
    x_bias: Array
    h_bias: Array
    peepholes: tuple[Array, Array, Array] | None
    activations: tuple[Activation, ...]

    def gate(self, function: int, x: Array) -> Array:
        """An activation of what goes into it, bounded where the node says so."""
        clip = self.layer.clip
        return self.activations[function](x if clip is None else np.clip(x, -clip, clip))


def quantities(
    layer: RecurrentLayer, direction: int, tensors: Mapping[str, Array], check: Callable[[], None]
) -> Quantities:
    """What one direction computed for one sequence; `check` is called before each step, and may raise.

    `tensors` are the node's inputs by ONNX's names: X `[steps, 1, features]`, the weights with a leading axis
    of directions, the states `[directions, 1, hidden]`. Every quantity comes in the order of the sequence,
    that of the reverse direction too, which computed its last step first.
    """
    weights = _weights(layer, direction, tensors)
    x = tensors["X"][: int(tensors["lengths"][0]) if "lengths" in tensors else None, 0]
    products = x.astype(np.float64) @ weights.w.T + weights.x_bias
    is_reverse = layer.directions[direction] == "reverse"
    step, state = _STEPS[layer.operator], _fresh(layer, direction, tensors)
    kept = []
    for product in products[::-1] if is_reverse else products:
        check()
        state = step(weights, product, state)
        kept.append(state)
    if is_reverse:
        kept.reverse()
    return {name: np.stack([one[name] for one in kept]) for name in state}


def _weights(layer: RecurrentLayer, direction: int, tensors: Mapping[str, Array]) -> _Weights:
    own = {
        name: tensors[name][direction].astype(np.float64) for name in ("W", "R", "B", "P") if name in tensors
    }
    rows = len(own["W"])
    w_bias, r_bias = own["B"].reshape(2, rows) if "B" in own else np.zeros((2, rows))
    h_bias = np.zeros(rows)
    if layer.operator == "GRU" and layer.resets_after:
        # The reset gate scales this part of the bias, so it must stay with its product.
        h_bias[2 * layer.hidden_size :] = r_bias[2 * layer.hidden_size :]
    peepholes = own["P"].reshape(3, -1) if "P" in own else None
    return _Weights(
        layer,
        own["W"],
        own["R"],
        w_bias + r_bias - h_bias,
        h_bias,
        None if peepholes is None else (peepholes[0], peepholes[1], peepholes[2]),
        layer.activations[direction],
    )


def _fresh(layer: RecurrentLayer, direction: int, tensors: Mapping[str, Array]) -> Quantities:
    """Before the first step: the states given, zeros where there are none."""
    states = {HIDDEN: "h", CELL: "c"} if layer.operator == "LSTM" else {HIDDEN: "h"}
    zeros = np.zeros(layer.hidden_size)
    return {
        name: tensors[given][direction, 0].astype(np.float64) if given in tensors else zeros
        for name, given in states.items()
    }


def _lstm(weights: _Weights, product: Array, before: Quantities) -> Quantities:
    i, o, f, g = np.split(product + weights.r @ before[HIDDEN], 4)
    peep_i, peep_o, peep_f = weights.peepholes or (0.0, 0.0, 0.0)
    cell = before[CELL]
    i = weights.gate(0, i + peep_i * cell)
    # Coupled gates forget as much as they take in.
    f = 1 - i if weights.layer.is_coupled else weights.gate(0, f + peep_f * cell)
    g = weights.gate(1, g)
    cell = f * cell + i * g
    o = weights.gate(0, o + peep_o * cell)
    hidden = o * weights.activations[2](cell)
    return {"input": i, "forget": f, "output": o, "candidate": g, CELL: cell, HIDDEN: hidden}


def _gru(weights: _Weights, product: Array, before: Quantities) -> Quantities:
    hidden, two = before[HIDDEN], 2 * weights.layer.hidden_size
    z, r = np.split(product[:two] + weights.r[:two] @ hidden, 2)
    z, r = weights.gate(0, z), weights.gate(0, r)
    recurrence, bias = weights.r[two:], weights.h_bias[two:]
    remembered = r * (recurrence @ hidden + bias) if weights.layer.resets_after else recurrence @ (r * hidden)
    new = weights.gate(1, product[two:] + remembered)
    return {"update": z, "reset": r, "candidate": new, HIDDEN: (1 - z) * new + z * hidden}


def _rnn(weights: _Weights, product: Array, before: Quantities) -> Quantities:
    return {HIDDEN: weights.gate(0, product + weights.r @ before[HIDDEN])}


_STEPS: dict[str, _Step] = {"LSTM": _lstm, "GRU": _gru, "RNN": _rnn}
