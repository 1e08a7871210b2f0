"""How a bidirectional layer joins its two directions."""

from __future__ import annotations

from enum import StrEnum

import torch
from torch import Tensor

from model_export.graph_writer import GraphWriter


class Merge(StrEnum):
    """The forward and the backward output become one."""

    CONCAT = "concat"
    SUM = "sum"
    MULTIPLICATION = "multiplication"
    AVERAGE = "average"

    def width(self, hidden: int) -> int:
        """Features after joining two outputs of `hidden` features."""
        return 2 * hidden if self is Merge.CONCAT else hidden

    def combine(self, forward: Tensor, backward: Tensor) -> Tensor:
        """Two `[..., hidden]` to one `[..., width]`."""
        if self is Merge.CONCAT:
            return torch.cat([forward, backward], dim=-1)
        if self is Merge.MULTIPLICATION:
            return forward * backward
        total = forward + backward
        return total / 2 if self is Merge.AVERAGE else total

    def write(self, graph: GraphWriter, forward: str, backward: str) -> str:
        """The same as ONNX nodes."""
        if self is Merge.CONCAT:
            return graph.node("Concat", forward, backward, axis=-1)
        if self is Merge.MULTIPLICATION:
            return graph.node("Mul", forward, backward)
        total = graph.node("Add", forward, backward)
        return graph.node("Div", total, graph.constant(2.0, "two")) if self is Merge.AVERAGE else total
