"""Which steps of a padded batch belong to a row, in PyTorch and as ONNX nodes."""

from __future__ import annotations

import numpy as np
import torch
from onnx import TensorProto
from torch import Tensor

from model_export.graph_writer import GraphWriter


def own_steps(steps: int, lengths: Tensor) -> Tensor:
    """`[steps, batch]`, true where the step lies before its row's length."""
    return torch.arange(steps, device=lengths.device).unsqueeze(1) < lengths


def write_own_steps(graph: GraphWriter) -> str:
    """The same mask over the graph's sequence, `[time, batch]`."""
    shape = graph.node("Shape", graph.sequence)
    time = graph.node("Gather", shape, graph.constant(np.array(0), "axis"))
    steps = graph.node(
        "Range", graph.constant(np.array(0), "first"), time, graph.constant(np.array(1), "stride")
    )
    lengths = graph.node("Cast", graph.lengths, to=TensorProto.INT64)
    return graph.node("Less", graph.unsqueeze(steps, 1), lengths)
