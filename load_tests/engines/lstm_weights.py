"""The weights of an untrained bundle's graph, in PyTorch's order. Needs onnx."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from service.domain.tensors import Array
from service.errors import EngineFailed

_KNOWN = {"LSTM", "MatMul", "Softmax", "Squeeze", "Unsqueeze", "Identity"}


@dataclass(frozen=True, slots=True)
class LstmLayer:
    """`[4 hidden, width]`, `[4 hidden, hidden]` and two biases `[4 hidden]`, gates i, f, g, o."""

    input: Array
    recurrent: Array
    input_bias: Array
    recurrent_bias: Array


def read_lstm(path: Path) -> tuple[list[LstmLayer], Array]:
    """The layers in order and the head `[hidden, classes]`; raises EngineFailed for any other graph."""
    graph = onnx.load(path).graph
    odd = sorted({node.op_type for node in graph.node} - _KNOWN)
    heads = [node for node in graph.node if node.op_type == "MatMul"]
    if odd or len(heads) != 1:
        raise EngineFailed(
            "only for the untrained bundles of --hidden: this graph has "
            + (f"{', '.join(odd)} beside LSTM layers" if odd else f"{len(heads)} products beside LSTM layers")
        )
    constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    layers = [_layer(node, constants) for node in graph.node if node.op_type == "LSTM"]
    return layers, constants[heads[0].input[1]].copy()


def _layer(node: Any, constants: dict[str, Array]) -> LstmLayer:
    weights = (constants[name][0] for name in node.input[1:4])
    w, r, b = weights
    return LstmLayer(_reordered(w), _reordered(r), *(_reordered(half) for half in np.split(b, 2)))


def _reordered(gates: Array) -> Array:
    """ONNX's order is i, o, f, c; PyTorch's i, f, g (its name for c), o."""
    i, o, f, c = np.split(gates, 4)
    return np.concatenate([i, f, c, o])
