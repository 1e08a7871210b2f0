"""Vanilla: one LSTM layer that forecasts how far a series will lie from what is usual."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from model_export.graph_writer import GraphWriter
from model_export.networks.linear import write_linear
from model_export.networks.lstm_layer import LstmLayer, last_step, write_last_step
from model_export.networks.network import SequenceNetwork, States
from model_export.networks.normaliser import Normaliser
from service.domain.signature import Readout
from service.domain.tensors import Shape


class VanillaLstm(SequenceNetwork):
    """`[time, batch, 2 + horizon]` to the `[batch, horizon]` values that follow each row's last step.

    A step is the value measured now, the value usual now, and the usual values of the `horizon` steps
    to come. The network learns the deviation from those; one just made forecasts the usual.
    """

    def __init__(self, horizon: int, hidden: int) -> None:
        super().__init__()
        self.horizon = horizon
        self.normaliser = Normaliser(2 + horizon)
        self.lstm = LstmLayer(2 + horizon, hidden)
        # The newest step also goes straight to the head: the nearest hours hang on it most.
        self.head = nn.Linear(hidden + 2 + horizon, horizon)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    @torch.no_grad()
    def start_from(self, shares: Tensor) -> None:
        """Before any training, forecast that `shares [horizon]` of the deviation now will remain."""
        self.head.weight[:, self.lstm.hidden] = shares
        self.head.bias.copy_(shares * self.normaliser.mean[0] / self.normaliser.scale[0])

    @property
    def state_shapes(self) -> dict[str, Shape]:
        return {"h": (self.lstm.hidden,), "c": (self.lstm.hidden,)}

    def forward(self, sequence: Tensor, lengths: Tensor, states: States = ()) -> tuple[Tensor, States]:
        y, states = self._recall(sequence, lengths, states)
        return self._forecast(last_step(sequence, lengths), last_step(y, lengths)), states

    def forecasts(self, sequence: Tensor, lengths: Tensor) -> Tensor:
        """The forecast after every step, `[time, batch, horizon]`: what training needs."""
        return self._forecast(sequence, self._recall(sequence, lengths)[0])

    def features(self, steps: Tensor) -> Tensor:
        """What the network reads of `steps [..., 2 + horizon]`: the deviation now, then all that is usual."""
        measured, usual = steps[..., :1], steps[..., 1:]
        return torch.cat([measured - usual[..., :1], usual], dim=-1)

    def _recall(self, sequence: Tensor, lengths: Tensor, states: States = ()) -> tuple[Tensor, States]:
        h, c = states or self.fresh_states(sequence)
        y, h, c = self.lstm(self.normaliser(self.features(sequence)), lengths, h, c)
        return y, (h, c)

    def _forecast(self, steps: Tensor, y: Tensor) -> Tensor:
        known = torch.cat([y, self.normaliser(self.features(steps))], dim=-1)
        deviation: Tensor = self.head(known) * self.normaliser.scale[0]
        return steps[..., 2:] + deviation

    def write(self, graph: GraphWriter) -> None:
        h, c = (graph.state(name, shape) for name, shape in self.state_shapes.items())
        tensors = self.lstm.write(graph, self._write_features(graph, graph.sequence), h, c)
        newest = write_last_step(graph, graph.sequence)
        known = graph.node("Concat", tensors.h, self._write_features(graph, newest), axis=-1)
        scale = graph.constant(self.normaliser.scale[0].cpu().numpy(), "scale")
        deviation = graph.node("Mul", write_linear(graph, known, self.head), scale)
        usual = self._split(graph, newest)[2]
        graph.output(graph.node("Add", usual, deviation), Readout.LAST, (self.horizon,))
        graph.new_state("h", tensors.h)
        graph.new_state("c", tensors.c)

    def _write_features(self, graph: GraphWriter, steps: str) -> str:
        measured, usual, ahead = self._split(graph, steps)
        features = graph.node("Concat", graph.node("Sub", measured, usual), usual, ahead, axis=-1)
        return self.normaliser.write(graph, features)

    def _split(self, graph: GraphWriter, steps: str) -> list[str]:
        """The measured value, the usual one, and the usual values to come."""
        parts = graph.constant(np.array([1, 1, self.horizon]), "parts")
        return graph.nodes("Split", steps, parts, outputs=3, axis=-1)
