"""One peephole LSTM layer: its gates also see the memory cell."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from model_export.graph_writer import GraphWriter
from model_export.networks.lstm_layer import LstmTensors, write_lstm
from model_export.networks.lstm_start import start_orthogonal


class PeepholeLayer(nn.Module):
    """ONNX's LSTM with peepholes: the input and forget gate see the old cell, the output gate the new one.

    Gates lie in ONNX's order i, o, f, c; peepholes in i, o, f.
    """

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        bound = hidden**-0.5
        self.input_weight = nn.Parameter(torch.empty(4 * hidden, features).uniform_(-bound, bound))
        self.recurrent_weight = nn.Parameter(torch.empty(4 * hidden, hidden))
        self.bias = nn.Parameter(torch.zeros(4 * hidden))
        self.peepholes = nn.Parameter(torch.zeros(3 * hidden))
        start_orthogonal(self.recurrent_weight)
        nn.init.ones_(self.bias.data[2 * hidden : 3 * hidden])

    def forward(self, x: Tensor, lengths: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """`x [time, batch, features]`, `h, c [batch, hidden]` to `h, c` after each row's own last step."""
        gates = x @ self.input_weight.T + self.bias
        for step in range(x.shape[0]):
            own = (step < lengths).unsqueeze(1)
            h_next, c_next = self._step(gates[step], h, c)
            h, c = torch.where(own, h_next, h), torch.where(own, c_next, c)
        return h, c

    def _step(self, gates: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        i, o, f, g = (gates + h @ self.recurrent_weight.T).chunk(4, dim=1)
        see_i, see_o, see_f = self.peepholes.chunk(3)
        c_next = torch.sigmoid(f + see_f * c) * c + torch.sigmoid(i + see_i * c) * torch.tanh(g)
        return torch.sigmoid(o + see_o * c_next) * torch.tanh(c_next), c_next

    def write(self, graph: GraphWriter, x: str, h: str, c: str) -> LstmTensors:
        """The ONNX LSTM node with its P input."""
        bias = np.concatenate([self.bias.detach().cpu().numpy(), np.zeros(4 * self.hidden, np.float32)])
        weights = {
            "W": self.input_weight.detach().cpu().numpy()[None],
            "R": self.recurrent_weight.detach().cpu().numpy()[None],
            "B": bias[None],
            "P": self.peepholes.detach().cpu().numpy()[None],
        }
        return write_lstm(graph, x, weights, h=h, c=c)
