"""Which states of a loop may be rounded to half: those that are only multiplied by weights.

An LSTM's h is such a state: what it holds was rounded for the product in any case. Its c is not, nor is a
GRU's h: they are added to, step after step.
"""

from __future__ import annotations

from typing import Final

import onnx

PRODUCTS: Final = {"Conv", "GRU", "Gemm", "LSTM", "MatMul", "RNN"}
SHAPING: Final = {
    "Concat", "Expand", "Flatten", "Gather", "GatherND", "Identity", "Pad", "Reshape", "Slice", "Split",
    "Squeeze", "Transpose", "Unsqueeze", "Where",
}  # fmt: skip


def is_only_multiplied(body: onnx.GraphProto, state: str) -> bool:
    """Whether a body's input reaches products, through what only moves it, and nothing else."""
    reached, is_multiplied = {state}, False
    for node in body.node:
        if reached.isdisjoint(node.input):
            continue
        if node.op_type in PRODUCTS:
            is_multiplied = True
        elif node.op_type in SHAPING:
            reached.update(node.output)
        else:
            return False
    return is_multiplied
