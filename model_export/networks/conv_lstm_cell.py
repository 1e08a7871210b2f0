"""One step of an LSTM whose gates are convolutions over a map that closes around the globe."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from model_export.graph_writer import GraphWriter
from service.domain.tensors import Shape


class ConvLstmCell(nn.Module):
    """`x [batch, inputs, lat, lon]` and `h, c [batch, channels, lat, lon]` to the next `h, c`.

    A 3 x 3 window that wraps around in longitude and meets zeros beyond the poles. `place` planes,
    learned and constant in time, are read beside `x`: they say what each cell of the map is like.
    """

    def __init__(self, inputs: int, channels: int, places: int, grid: Shape) -> None:
        super().__init__()
        self.channels = channels
        self.gates = nn.Conv2d(inputs + channels, 4 * channels, 3, padding=(1, 0), bias=False)
        self.place = nn.Parameter(torch.randn(places, *grid) * 0.1)
        self.place_gates = nn.Conv2d(places, 4 * channels, 3, padding=(1, 0))
        bias = torch.zeros(4 * channels)
        # An open forget gate lets the memory reach back from the first step of training.
        bias[channels : 2 * channels] = 1.0
        self.place_gates.bias = nn.Parameter(bias)

    def at_places(self) -> Tensor:
        """The gates' bias in every cell, `[1, 4 * channels, lat, lon]`: the same at every step."""
        gates: Tensor = self.place_gates(_around(self.place.unsqueeze(0)))
        return gates

    def forward(self, x: Tensor, h: Tensor, c: Tensor, at_places: Tensor) -> tuple[Tensor, Tensor]:
        gates = self.gates(_around(torch.cat([x, h], dim=1))) + at_places
        i, f, g, o = gates.chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c

    def write(self, graph: GraphWriter, x: str, h: str, c: str) -> tuple[str, str]:
        weight = graph.constant(self.gates.weight.detach().cpu().numpy(), "weight")
        bias = graph.constant(self.at_places().detach().cpu().numpy(), "bias")
        window = _write_around(graph, graph.node("Concat", x, h, axis=1))
        convolved = graph.node("Conv", window, weight, kernel_shape=[3, 3], pads=[1, 0, 1, 0])
        gates = graph.node("Add", convolved, bias)
        parts = graph.constant([self.channels] * 4, "parts")
        i, f, g, o = graph.nodes("Split", gates, parts, outputs=4, axis=1)
        kept = graph.node("Mul", graph.node("Sigmoid", f), c)
        added = graph.node("Mul", graph.node("Sigmoid", i), graph.node("Tanh", g))
        c = graph.node("Add", kept, added)
        return graph.node("Mul", graph.node("Sigmoid", o), graph.node("Tanh", c)), c


def _around(field: Tensor) -> Tensor:
    """One column of the other end on either side of `[batch, channels, lat, lon]`."""
    return functional.pad(field, (1, 1, 0, 0), mode="circular")


def _write_around(graph: GraphWriter, field: str) -> str:
    axis, last = graph.constant([3], "axis"), graph.constant([-1], "last")
    end = graph.constant([2**31 - 1], "end")
    east = graph.node("Slice", field, last, end, axis)
    west = graph.node("Slice", field, graph.constant([0], "first"), graph.constant([1], "second"), axis)
    return graph.node("Concat", east, field, west, axis=3)
