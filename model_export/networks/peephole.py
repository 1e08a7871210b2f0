"""Peephole: one LSTM layer whose gates see the memory cell, and a class at the last step."""

from __future__ import annotations

from torch import Tensor, nn

from model_export.graph_writer import GraphWriter
from model_export.networks.linear import write_linear
from model_export.networks.network import SequenceNetwork, States
from model_export.networks.normaliser import Normaliser
from model_export.networks.peephole_layer import PeepholeLayer
from service.domain.signature import Readout
from service.domain.tensors import Shape


class PeepholeLstm(SequenceNetwork):
    """`[time, batch, features]` to class probabilities `[batch, classes]`."""

    def __init__(self, features: int, hidden: int, classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.normaliser = Normaliser(features)
        self.lstm = PeepholeLayer(features, hidden)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, classes)

    @property
    def state_shapes(self) -> dict[str, Shape]:
        return {"h": (self.lstm.hidden,), "c": (self.lstm.hidden,)}

    def logits(self, sequence: Tensor, lengths: Tensor, states: States = ()) -> tuple[Tensor, States]:
        """Unnormalised scores, for training, and the new states."""
        h, c = states or self.fresh_states(sequence)
        h, c = self.lstm(self.normaliser(sequence), lengths, h, c)
        return self.head(self.dropout(h)), (h, c)

    def forward(self, sequence: Tensor, lengths: Tensor, states: States = ()) -> tuple[Tensor, States]:
        scores, states = self.logits(sequence, lengths, states)
        return scores.softmax(dim=-1), states

    def write(self, graph: GraphWriter) -> None:
        h, c = (graph.state(name, shape) for name, shape in self.state_shapes.items())
        tensors = self.lstm.write(graph, self.normaliser.write(graph, graph.sequence), h, c)
        scores = write_linear(graph, tensors.h, self.head)
        graph.output(graph.node("Softmax", scores, axis=-1), Readout.LAST, (self.head.out_features,))
        graph.new_state("h", tensors.h)
        graph.new_state("c", tensors.c)
