"""Stacked: LSTM layers on top of each other, reading symbols and foretelling the one that follows."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from model_export.graph_writer import GraphWriter
from model_export.networks.linear import write_linear
from model_export.networks.lstm_layer import LstmLayer
from model_export.networks.lstm_start import start_remembering
from model_export.networks.network import SequenceNetwork, States
from model_export.networks.symbol_embedding import SymbolEmbedding
from service.domain.signature import Readout
from service.domain.tensors import Shape


class StackedLstm(SequenceNetwork):
    """`[time, batch]` of symbol ids to `[time, batch, symbols]`: how probable each symbol is as the next."""

    def __init__(self, symbols: int, embedding: int, hidden: int, layers: int) -> None:
        super().__init__()
        self.embedding = SymbolEmbedding(symbols, embedding)
        widths = [embedding, *[hidden] * (layers - 1)]
        self.layers = nn.ModuleList(LstmLayer(width, hidden) for width in widths)
        # Every layer reaches the head, so the lower ones learn from the first step of training.
        self.head = nn.Linear(layers * hidden, symbols)
        nn.init.normal_(self.embedding.table.weight, std=1 / 8)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        for layer in self._stack:
            start_remembering(layer.cell)

    @property
    def state_shapes(self) -> dict[str, Shape]:
        return {f"{name}{depth}": (layer.hidden,) for depth, layer in enumerate(self._stack) for name in "hc"}

    @property
    def _stack(self) -> list[LstmLayer]:
        return [layer for layer in self.layers if isinstance(layer, LstmLayer)]

    def logits(self, sequence: Tensor, lengths: Tensor, states: States = ()) -> tuple[Tensor, States]:
        """As `forward`, before the softmax: what training needs."""
        given = states or self.fresh_states(sequence)
        y, outputs, last = self.embedding(sequence), [], []
        for depth, layer in enumerate(self._stack):
            y, h, c = layer(y, lengths, *given[2 * depth : 2 * depth + 2])
            outputs.append(y)
            last += [h, c]
        return self.head(torch.cat(outputs, dim=-1)), tuple(last)

    def forward(self, sequence: Tensor, lengths: Tensor, states: States = ()) -> tuple[Tensor, States]:
        logits, last = self.logits(sequence, lengths, states)
        return torch.softmax(logits, dim=-1), last

    def write(self, graph: GraphWriter) -> None:
        y, outputs = self.embedding.write(graph, graph.sequence), []
        for depth, layer in enumerate(self._stack):
            shape = (layer.hidden,)
            h, c = graph.state(f"h{depth}", shape), graph.state(f"c{depth}", shape)
            tensors = layer.write(graph, y, h, c)
            graph.new_state(f"h{depth}", tensors.h)
            graph.new_state(f"c{depth}", tensors.c)
            y = tensors.y
            outputs.append(y)
        logits = write_linear(graph, graph.node("Concat", *outputs, axis=-1), self.head)
        probabilities = graph.node("Softmax", logits, axis=-1)
        graph.output(probabilities, Readout.EVERY_STEP, (self.head.out_features,))
