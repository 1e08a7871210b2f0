"""What an inspection found, and that it is what the engine computed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from service.domain.tensors import Array
from service.errors import EngineFailed
from service.inspection.recurrence import CELL, HIDDEN, Quantities
from service.inspection.recurrent_layers import RecurrentLayer

# Of an h of 1. An engine's float32 is off by a few millionths; a wrong formula by hundredths.
_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class InspectedLayer:
    """A layer's quantities, one dictionary for each of its directions."""

    layer: RecurrentLayer
    directions: tuple[Quantities, ...]


@dataclass(frozen=True, slots=True)
class Inspection:
    """One sequence's layers, in the graph's order.

    `others` are recurrences of the model that are no LSTM, GRU or RNN node. `hidden_difference` is the
    largest between what was computed anew and what ONNX Runtime computed, of any layer's h and last c;
    `output` is the model's, from the same run, `[*output]` or `[steps, *output]`.
    """

    layers: tuple[InspectedLayer, ...]
    others: tuple[str, ...]
    output: Array
    hidden_difference: float


def layer_difference(inspected: InspectedLayer, outputs: dict[str, Array]) -> float:
    """The largest difference to the node's own outputs, by ONNX's names: Y `[steps, directions, 1, hidden]`,
    Y_h and Y_c `[directions, 1, hidden]`. Raises EngineFailed where it is no difference of rounding.
    """
    found = _as_outputs(inspected)
    largest = 0.0
    for name, given in outputs.items():
        due = given[: len(found[name]), :, 0] if name == "Y" else given[:, 0]
        difference = float(np.abs(found[name] - due).max())
        # Not-a-number compares as false.
        if not difference <= _TOLERANCE * max(1.0, float(np.abs(due).max())):
            raise EngineFailed(
                f"inspection: {inspected.layer.name}: {name} differs by {difference:.3g} from what ONNX "
                f"Runtime computed: expected {_TOLERANCE:g} at most, so what the gates did is not known"
            )
        largest = max(largest, difference)
    return largest


def _as_outputs(inspected: InspectedLayer) -> dict[str, Array]:
    """What was computed anew, as the node puts it out."""
    names = inspected.layer.directions
    last = [0 if name == "reverse" else -1 for name in names]
    pairs = list(zip(inspected.directions, last, strict=True))
    found = {
        "Y": np.stack([each[HIDDEN] for each in inspected.directions], axis=1),
        "Y_h": np.stack([each[HIDDEN][step] for each, step in pairs]),
    }
    if all(CELL in each for each in inspected.directions):
        found["Y_c"] = np.stack([each[CELL][step] for each, step in pairs])
    return found
