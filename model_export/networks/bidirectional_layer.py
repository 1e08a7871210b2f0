"""One LSTM layer read in both directions, joined step by step."""

from __future__ import annotations

from torch import Tensor, nn

from model_export.graph_writer import GraphWriter
from model_export.networks.lstm_layer import last_step, onnx_weights, write_lstm_node
from model_export.networks.lstm_start import start_remembering
from model_export.networks.merge import Merge
from model_export.networks.reversal import reversed_rows


class BidirectionalLayer(nn.Module):
    """Two one-way LSTMs; the second starts at each row's own last step."""

    def __init__(self, features: int, hidden: int, merge: Merge) -> None:
        super().__init__()
        self.merge = merge
        self.width = merge.width(hidden)
        self.ahead = nn.LSTM(features, hidden)
        self.back = nn.LSTM(features, hidden)
        start_remembering(self.ahead)
        start_remembering(self.back)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """`x [time, batch, features]` to every step `[time, batch, width]` and the final `[batch, width]`."""
        ahead, _ = self.ahead(x)
        back, _ = self.back(reversed_rows(x, lengths))
        final = self.merge.combine(last_step(ahead, lengths), last_step(back, lengths))
        return self.merge.combine(ahead, reversed_rows(back, lengths)), final

    def write(self, graph: GraphWriter, x: str) -> tuple[str, str]:
        """One ONNX node; names of `y [time, 2, batch, hidden]` and `h [2, batch, hidden]`, not yet joined."""
        y, h, _ = write_lstm_node(graph, x, onnx_weights([self.ahead, self.back]), "bidirectional")
        return y, h

    def write_joined(self, graph: GraphWriter, directions: str, axis: int) -> str:
        """Join the two directions that lie along `axis`."""
        ahead, back = graph.nodes("Split", directions, outputs=2, axis=axis)
        return self.merge.write(graph, graph.squeeze(ahead, axis), graph.squeeze(back, axis))
