"""Lets each step see its neighbours on both sides."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from model_export.graph_writer import GraphWriter
from model_export.networks.mask import own_steps, write_own_steps


class Window(nn.Module):
    """A linear layer and ReLU over `reach` steps back, the step itself and `reach` steps ahead.

    Beyond a row's ends there are zeros, whatever the padding holds.
    """

    def __init__(self, inputs: int, features: int, reach: int) -> None:
        super().__init__()
        self.features = features
        self.reach = reach
        self.width = 2 * reach + 1
        self.linear = nn.Linear(inputs * self.width, features)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """`x [time, batch, inputs]` to `[time, batch, features]`."""
        own = own_steps(x.shape[0], lengths).unsqueeze(2)
        silenced = pad(x.masked_fill(~own, 0.0), (0, 0, 0, 0, self.reach, self.reach))
        return torch.relu(self.linear(silenced.unfold(0, self.width, 1).flatten(start_dim=2)))

    def write(self, graph: GraphWriter, x: str) -> str:
        """The same as a convolution over time."""
        own = graph.unsqueeze(write_own_steps(graph), 2)
        silenced = graph.node("Where", own, x, graph.constant(0.0, "silence"))
        weight = self.linear.weight.detach().cpu().numpy()
        y = graph.node(
            "Conv",
            graph.node("Transpose", silenced, perm=[1, 2, 0]),
            graph.constant(weight.reshape(self.features, -1, self.width), "weight"),
            graph.constant(self.linear.bias.detach().cpu().numpy(), "bias"),
            kernel_shape=[self.width],
            pads=[self.reach, self.reach],
        )
        return graph.node("Relu", graph.node("Transpose", y, perm=[2, 0, 1]))
