"""What every network is: a PyTorch module with the sequence-graph contract as its signature."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TypeAlias

from torch import Tensor, nn

from model_export.graph_writer import GraphWriter
from service.domain.tensors import Shape

States: TypeAlias = tuple[Tensor, ...]


class SequenceNetwork(nn.Module, ABC):
    """A recurrent network whose `forward` and ONNX graph mean the same.

    `forward(sequence [time, batch, *step], lengths [batch], states)` returns the output
    (`[batch, *output]` or `[time, batch, *output]`) and the new states. A row's result depends on its
    first `lengths[row]` steps and its states only; past its length its state is frozen.
    Zeros in every state are a fresh sequence. Outputs past a row's length mean nothing.
    """

    @property
    def state_shapes(self) -> dict[str, Shape]:
        """Name and shape per row of each state, in the order of `forward`; empty where not causal."""
        return {}

    @abstractmethod
    def forward(self, sequence: Tensor, lengths: Tensor, states: States = ()) -> tuple[Tensor, States]: ...

    @abstractmethod
    def write(self, graph: GraphWriter) -> None:
        """Write the same computation as ONNX nodes, ending in `graph.output` and `graph.new_state`."""

    def fresh_states(self, sequence: Tensor) -> States:
        """Zeros for every state, for the rows of `sequence`, in the network's precision and place."""
        like = next(self.parameters())
        rows = sequence.shape[1]
        return tuple(like.new_zeros((rows, *shape)) for shape in self.state_shapes.values())
