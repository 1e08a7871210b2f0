"""nn.Linear as ONNX nodes."""

from __future__ import annotations

from torch import nn

from model_export.graph_writer import GraphWriter


def write_linear(graph: GraphWriter, x: str, layer: nn.Linear) -> str:
    """`x [..., in_features]` to `[..., out_features]`; returns the output's name."""
    weight = graph.constant(layer.weight.detach().cpu().numpy().T, "weight")
    product = graph.node("MatMul", x, weight)
    return graph.node("Add", product, graph.constant(layer.bias.detach().cpu().numpy(), "bias"))
