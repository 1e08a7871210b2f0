"""LSTM, GRU and RNN nodes: given the batch's lengths, and states of their own where they run forward."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model_export.onnx_import.axes import BATCH, TIME, Axes, axis
from model_export.onnx_import.initial_state import start_of
from model_export.onnx_import.own_length import check_own_lengths
from model_export.onnx_import.recurrent_cell import (
    STATES,
    RecurrentCell,
    attributes_of,
    differences,
    read_cell,
)
from model_export.onnx_import.values import Data, Value
from service.domain.signature import LENGTHS
from service.repository.manifest import State

if TYPE_CHECKING:
    from model_export.onnx_import.call import Call
    from model_export.onnx_import.walk import Walk


def recurrent(walk: Walk, call: Call) -> list[Value]:
    x = call.data()
    cell = read_cell(call, x)
    if cell.direction != "forward":
        walk.look_ahead(f"{call.name} is {cell.direction}")
    check_own_lengths(walk, call, x, 4)
    if cell.is_batch_first:
        x = walk.transpose(x, (1, 0, 2))
        walk.note(f"{call.name}: layout 1 (batch first) is now layout 0 between transposes")
    for difference in differences(call):
        walk.note(f"{call.name}: {difference}")
    starts = [start_of(walk, call, 5 + place, cell) for place in range(len(STATES[call.operator]))]
    states = _declared(walk, call, cell) if walk.has_states else []
    moved = [_moved(walk, "Add", *pair) for pair in zip(states, starts, strict=True)] if states else starts
    y, *last = _written(walk, call, x, moved)
    if states:
        _publish(walk, call, cell, [_moved(walk, "Sub", *pair) for pair in zip(last, starts, strict=True)])
    walk.recurrent_seen += 1
    return _outputs(walk, x, cell, y, last)


def _names(walk: Walk, call: Call) -> list[str]:
    """The node's own states: h and c; h0 and c0, h1 and c1, ... where there are several recurrent nodes."""
    suffix = str(walk.recurrent_seen) if walk.recurrent_count > 1 else ""
    return [letter + suffix for letter in STATES[call.operator]]


def _declared(walk: Walk, call: Call, cell: RecurrentCell) -> list[str]:
    """New state inputs `[batch, hidden]`, as the node reads them."""
    names = []
    for name in _names(walk, call):
        state = State(input=f"{name}_in", output=f"{name}_out", shape=(cell.hidden,))
        walk.states.append(state)
        walk.graph.declare_input(state.input, state.shape)
        names.append(walk.graph.node("Unsqueeze", state.input, walk.graph.vector(0)))
    return names


def _publish(walk: Walk, call: Call, cell: RecurrentCell, tensors: list[str]) -> None:
    for name, tensor in zip(_names(walk, call), tensors, strict=True):
        row = walk.graph.node("Squeeze", tensor, walk.graph.vector(0))
        walk.graph.publish(row, f"{name}_out", ["batch", cell.hidden])


def _moved(walk: Walk, operator: str, state: str, start: str) -> str:
    return walk.graph.node(operator, state, start) if start else state


def _written(walk: Walk, call: Call, x: Data, starts: list[str]) -> list[str]:
    weights = [walk.tensor(call.input(place)) for place in (1, 2, 3)]
    names = [x.tensor, *weights, LENGTHS, *starts]
    if call.operator == "LSTM":
        names.append(walk.tensor(call.input(7)))
    outputs = 1 + len(starts)
    return walk.graph.nodes(call.operator, *names, outputs=outputs, name=call.name, **attributes_of(call))


def _outputs(walk: Walk, x: Data, cell: RecurrentCell, y: str, last: list[str]) -> list[Value]:
    steps: Axes = (TIME, axis(cell.directions), BATCH, axis(cell.hidden))
    rows: Axes = (axis(cell.directions), BATCH, axis(cell.hidden))
    results = [walk.result(y, steps, [x]), *(walk.result(tensor, rows, [x]) for tensor in last)]
    if not cell.is_batch_first:
        return list(results)
    orders = [(2, 0, 1, 3), (1, 0, 2), (1, 0, 2)]
    return [walk.transpose(result, order) for result, order in zip(results, orders, strict=False)]


HANDLERS = dict.fromkeys(STATES, recurrent)
