"""Turns integer symbols into vectors."""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn

from model_export.graph_writer import GraphWriter


class SymbolEmbedding(nn.Module):
    """`[time, batch]` of ids to `[time, batch, features]`."""

    def __init__(self, symbols: int, features: int) -> None:
        super().__init__()
        self.features = features
        self.last = symbols - 1
        self.table = nn.Embedding(symbols, features)

    def forward(self, ids: Tensor) -> Tensor:
        # Past a row's length lies anything; a lookup outside the table would fail the whole batch.
        found: Tensor = self.table(ids.clamp(0, self.last))
        return found

    def write(self, graph: GraphWriter, ids: str) -> str:
        bounds = (graph.constant(np.array(bound, np.int32), "bound") for bound in (0, self.last))
        low, high = bounds
        inside = graph.node("Min", graph.node("Max", ids, low), high)
        table = graph.constant(self.table.weight.detach().cpu().numpy(), "table")
        return graph.node("Gather", table, inside)
