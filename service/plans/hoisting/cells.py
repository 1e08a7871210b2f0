"""One step of an LSTM, GRU or RNN as nodes, all directions at once.

A step reads its part of the input projection `[direction, batch, gates * hidden]` and the states
`[direction, batch, hidden]`, and gives the new states, the hidden one first. Gates are in ONNX's order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np

from service.domain.tensors import Array
from service.plans.graph import NodeWriter
from service.plans.hoisting.activations import Activation, activate
from service.plans.hoisting.recurrent_node import RecurrentNode

Cell: TypeAlias = Callable[[NodeWriter, RecurrentNode, str, list[str]], list[str]]


def _gate(writer: NodeWriter, node: RecurrentNode, x: str, activations: tuple[Activation, ...]) -> str:
    """Bound what goes into an activation, as ONNX Runtime reads `clip`, and apply it."""
    if node.clip is not None:
        bounds = (writer.constant(np.float32(bound), "bound") for bound in (-node.clip, node.clip))
        x = writer.add("Clip", x, *bounds)
    return activate(writer, x, activations)


def _one_minus(writer: NodeWriter, x: str) -> str:
    return writer.add("Sub", writer.constant(np.float32(1), "one"), x)


def _recurrent_product(writer: NodeWriter, h: str, recurrence: Array) -> str:
    """`h [D, B, H]` times `recurrence [D, G*H, H]`, transposed."""
    return writer.add("MatMul", h, writer.constant(recurrence.transpose(0, 2, 1), "recurrence"))


def _lstm(writer: NodeWriter, node: RecurrentNode, x: str, states: list[str]) -> list[str]:
    h, c = states
    f, g, last = node.activations
    sums = writer.add("Add", x, _recurrent_product(writer, h, node.recurrence))
    i, o, forget, new = writer.split(sums, 4, node.hidden, axis=-1)
    i = _gate(writer, node, _peep(writer, node, i, c, 0), f)
    if node.is_coupled:
        forget = _one_minus(writer, i)
    else:
        forget = _gate(writer, node, _peep(writer, node, forget, c, 2), f)
    written = writer.add("Mul", i, _gate(writer, node, new, g))
    c = writer.add("Add", writer.add("Mul", forget, c), written)
    o = _gate(writer, node, _peep(writer, node, o, c, 1), f)
    return [writer.add("Mul", o, activate(writer, c, last)), c]


def _peep(writer: NodeWriter, node: RecurrentNode, gate: str, c: str, position: int) -> str:
    """Let a gate see the cell; peepholes come in the order i, o, f."""
    if node.peepholes is None:
        return gate
    start = position * node.hidden
    weights = node.peepholes[:, np.newaxis, start : start + node.hidden]
    return writer.add("Add", gate, writer.add("Mul", writer.constant(weights, "peephole"), c))


def _gru(writer: NodeWriter, node: RecurrentNode, x: str, states: list[str]) -> list[str]:
    (h,) = states
    f, g = node.activations
    hidden = node.hidden
    x_z, x_r, x_h = writer.split(x, 3, hidden, axis=-1)
    product = _recurrent_product(writer, h, node.recurrence[:, : 2 * hidden])
    h_z, h_r = writer.split(product, 2, hidden, axis=-1)
    z = _gate(writer, node, writer.add("Add", x_z, h_z), f)
    r = _gate(writer, node, writer.add("Add", x_r, h_r), f)
    recurrence = node.recurrence[:, 2 * hidden :]
    if node.resets_after:
        bias = writer.constant(node.recurrent_bias[:, np.newaxis, 2 * hidden :], "bias")
        remembered = writer.add("Add", _recurrent_product(writer, h, recurrence), bias)
        remembered = writer.add("Mul", r, remembered)
    else:
        remembered = _recurrent_product(writer, writer.add("Mul", r, h), recurrence)
    new = _gate(writer, node, writer.add("Add", x_h, remembered), g)
    written = writer.add("Mul", _one_minus(writer, z), new)
    return [writer.add("Add", written, writer.add("Mul", z, h))]


def _rnn(writer: NodeWriter, node: RecurrentNode, x: str, states: list[str]) -> list[str]:
    (h,) = states
    sums = writer.add("Add", x, _recurrent_product(writer, h, node.recurrence))
    return [_gate(writer, node, sums, node.activations[0])]


CELLS: Final[dict[str, Cell]] = {"LSTM": _lstm, "GRU": _gru, "RNN": _rnn}


def projection_bias(node: RecurrentNode) -> Array:
    """What of the bias may be added before the loop, `[D, G*H]`: all but what a GRU's reset gate scales."""
    recurrent = node.recurrent_bias.copy()
    if node.operator == "GRU" and node.resets_after:
        recurrent[:, 2 * node.hidden :] = 0
    return np.asarray(node.input_bias + recurrent)
