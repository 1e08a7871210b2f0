"""What an LSTM, GRU or RNN node says of itself, and whether it can be given lengths and states."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from onnx import TensorProto

from model_export.onnx_import.axes import BATCH, TIME, Axes, axis, describe
from model_export.onnx_import.call import Call
from model_export.onnx_import.refusal import Misfit, Unfit
from model_export.onnx_import.values import Data

_GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
_DIRECTIONS = {"forward": 1, "reverse": 1, "bidirectional": 2}

STATES = {"LSTM": "hc", "GRU": "h", "RNN": "h"}


class RecurrentCell(NamedTuple):
    """Sizes and layout of one recurrent node."""

    direction: str
    hidden: int
    is_batch_first: bool

    @property
    def directions(self) -> int:
        return _DIRECTIONS[self.direction]


def read_cell(call: Call, x: Data) -> RecurrentCell:
    """Raises Unfit where the input, the weights or the element type do not fit."""
    weights, recurrence = call.known(1), call.known(2)
    direction = call.attributes.get("direction", b"forward").decode()
    cell = RecurrentCell(direction, int(recurrence.shape[-1]), bool(call.attributes.get("layout", 0)))
    front = (BATCH, TIME) if cell.is_batch_first else (TIME, BATCH)
    expected: Axes = (*front, axis(int(weights.shape[-1])))
    if x.axes != expected:
        raise Misfit(f"reads {describe(x.axes)}, and {describe(expected)} is needed")
    if x.element != TensorProto.FLOAT or weights.dtype != np.float32:
        kind = TensorProto.DataType.Name(x.element)
        raise Unfit(f"computes in {kind}; ONNX Runtime on a CPU computes it in FLOAT, and no cast is exact")
    shape = (cell.directions, _GATES[call.operator] * cell.hidden)
    if weights.shape[:2] != shape or recurrence.shape != (*shape, cell.hidden):
        found = f"W {list(weights.shape)} and R {list(recurrence.shape)}"
        raise Unfit(f"has {found} for {cell.directions} x {cell.hidden} units; projections are not supported")
    return cell


def attributes_of(call: Call) -> dict[str, object]:
    """The node's attributes for the new graph, which has layout 0."""
    attributes = {name: value for name, value in call.attributes.items() if name != "layout"}
    if "activations" in attributes:
        attributes["activations"] = [name.decode() for name in attributes["activations"]]
    return attributes


def differences(call: Call) -> list[str]:
    """Where TensorRT is known to compute something else than ONNX Runtime."""
    found = []
    if call.attributes.get("clip", 0):
        found.append("clip bounds only the gates in ONNX Runtime, and the cell too in TensorRT")
    if call.attributes.get("input_forget", 0):
        found.append("TensorRT refuses input_forget")
    if b"Softplus" in call.attributes.get("activations", []):
        found.append("TensorRT takes the activation Softplus for the constant 0")
    return found
