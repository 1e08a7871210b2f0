"""Brings raw values to mean 0 and spread 1, inside the network."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from model_export.graph_writer import GraphWriter
from service.domain.tensors import Array


class Normaliser(nn.Module):
    """`(x - mean) / scale` per feature; neutral until `fit`."""

    mean: Tensor
    scale: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features = features
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))

    def fit(self, sequences: list[Array]) -> None:
        """Measure mean and spread over every step of the training sequences `[steps, features]`."""
        values = np.concatenate(sequences).astype(np.float64)
        self.mean.copy_(torch.from_numpy(values.mean(axis=0)))
        self.scale.copy_(torch.from_numpy(values.std(axis=0)))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.scale

    def write(self, graph: GraphWriter, x: str) -> str:
        centred = graph.node("Sub", x, graph.constant(self.mean.cpu().numpy(), "mean"))
        return graph.node("Div", centred, graph.constant(self.scale.cpu().numpy(), "scale"))
