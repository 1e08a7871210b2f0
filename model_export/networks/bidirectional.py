"""Bidirectional: LSTM layers that read each row both ways, and a class per row or per step."""

from __future__ import annotations

from torch import Tensor, nn

from model_export.graph_writer import GraphWriter
from model_export.networks.bidirectional_layer import BidirectionalLayer
from model_export.networks.linear import write_linear
from model_export.networks.merge import Merge
from model_export.networks.network import SequenceNetwork, States
from model_export.networks.normaliser import Normaliser
from model_export.networks.symbol_embedding import SymbolEmbedding
from model_export.networks.window import Window
from service.domain.signature import Readout


class BidirectionalLstm(SequenceNetwork):
    """`[time, batch, *step]` to class probabilities `[batch, classes]` or `[time, batch, classes]`.

    What a layer gives past a row's length reaches no other layer: each reads its row's own steps only.
    """

    def __init__(
        self,
        front: Normaliser | SymbolEmbedding,
        hidden: int,
        classes: int,
        readout: Readout,
        merge: Merge = Merge.CONCAT,
        layers: int = 1,
        dropout: float = 0.0,
        window: Window | None = None,
    ) -> None:
        super().__init__()
        widths = [(window or front).features] + [merge.width(hidden)] * (layers - 1)
        self.front = front
        self.window = window
        self.readout = readout
        self.layers = nn.ModuleList(BidirectionalLayer(width, hidden, merge) for width in widths)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(merge.width(hidden), classes)

    @property
    def _stack(self) -> list[BidirectionalLayer]:
        return [layer for layer in self.layers if isinstance(layer, BidirectionalLayer)]

    def logits(self, sequence: Tensor, lengths: Tensor) -> Tensor:
        """Unnormalised scores, for training."""
        x = final = self.front(sequence)
        if self.window:
            x = self.window(x, lengths)
        for layer in self._stack:
            x, final = layer(self.dropout(x), lengths)
        scores: Tensor = self.head(self.dropout(final if self.readout is Readout.LAST else x))
        return scores

    def forward(self, sequence: Tensor, lengths: Tensor, states: States = ()) -> tuple[Tensor, States]:
        return self.logits(sequence, lengths).softmax(dim=-1), ()

    def write(self, graph: GraphWriter) -> None:
        x = self.front.write(graph, graph.sequence)
        if self.window:
            x = self.window.write(graph, x)
        *lower, top = self._stack
        for layer in lower:
            steps, _ = layer.write(graph, x)
            x = layer.write_joined(graph, steps, axis=1)
        steps, final = top.write(graph, x)
        if self.readout is Readout.LAST:
            joined = top.write_joined(graph, final, axis=0)
        else:
            joined = top.write_joined(graph, steps, axis=1)
        scores = write_linear(graph, joined, self.head)
        graph.output(graph.node("Softmax", scores, axis=-1), self.readout, (self.head.out_features,))
