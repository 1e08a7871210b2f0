"""CNN-LSTM: convolutions over the columns of an image, then a bidirectional LSTM, a class per column."""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn

from model_export.graph_writer import GraphWriter
from model_export.networks.bidirectional_layer import BidirectionalLayer
from model_export.networks.column_convolution import ColumnConvolution
from model_export.networks.linear import write_linear
from model_export.networks.mask import own_steps, write_own_steps
from model_export.networks.merge import Merge
from model_export.networks.network import SequenceNetwork, States
from service.domain.signature import Readout


class CnnLstm(SequenceNetwork):
    """`[time, batch, height]` to class probabilities `[time, batch, classes]`."""

    def __init__(
        self, height: int, channels: tuple[int, ...], dilations: tuple[int, ...], hidden: int, classes: int
    ) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList()
        inputs = 1
        for outputs, dilation in zip(channels, dilations, strict=True):
            self.convolutions.append(ColumnConvolution(inputs, outputs, stride=2, dilation=dilation))
            inputs, height = outputs, (height + 1) // 2
        self.features = inputs * height
        self.lstm = BidirectionalLayer(self.features, hidden, Merge.CONCAT)
        self.head = nn.Linear(self.lstm.width, classes)

    @property
    def _convolutions(self) -> list[ColumnConvolution]:
        return [layer for layer in self.convolutions if isinstance(layer, ColumnConvolution)]

    def logits(self, sequence: Tensor, lengths: Tensor) -> Tensor:
        """Unnormalised scores, for training."""
        own = own_steps(sequence.shape[0], lengths).T[:, None, None, :]
        x = sequence.permute(1, 2, 0).unsqueeze(1).masked_fill(~own, 0.0)
        for convolution in self._convolutions:
            x = convolution(x, own)
        features = x.permute(3, 0, 1, 2).flatten(start_dim=2)
        y, _ = self.lstm(features, lengths)
        scores: Tensor = self.head(y)
        return scores

    def forward(self, sequence: Tensor, lengths: Tensor, states: States = ()) -> tuple[Tensor, States]:
        return self.logits(sequence, lengths).softmax(dim=-1), ()

    def write(self, graph: GraphWriter) -> None:
        own = graph.unsqueeze(graph.unsqueeze(graph.node("Transpose", write_own_steps(graph)), 1), 1)
        image = graph.unsqueeze(graph.node("Transpose", graph.sequence, perm=[1, 2, 0]), 1)
        x = graph.node("Where", own, image, graph.constant(0.0, "silence"))
        for convolution in self._convolutions:
            x = convolution.write(graph, x, own)
        columns = graph.node("Transpose", x, perm=[3, 0, 1, 2])
        shape = graph.constant(np.array([0, 0, self.features]), "shape")
        steps, _ = self.lstm.write(graph, graph.node("Reshape", columns, shape))
        joined = self.lstm.write_joined(graph, steps, axis=1)
        scores = write_linear(graph, joined, self.head)
        graph.output(graph.node("Softmax", scores, axis=-1), Readout.EVERY_STEP, (self.head.out_features,))
