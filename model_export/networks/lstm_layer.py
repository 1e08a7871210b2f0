"""One LSTM layer in one direction: nn.LSTM with lengths and explicit states, and its ONNX node."""

from __future__ import annotations

import numpy as np
import torch
from onnx import TensorProto
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from model_export.graph_writer import GraphWriter
from service.domain.tensors import Array


class LstmLayer(nn.Module):
    """`nn.LSTM` of one layer whose final states are those of each row's own last step."""

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.cell = nn.LSTM(features, hidden)

    def forward(self, x: Tensor, lengths: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`x [time, batch, features]`, `h, c [batch, hidden]` to every step's `y` and the last `h, c`."""
        state = (h.unsqueeze(0), c.unsqueeze(0))
        if self.training or bool((lengths == x.shape[0]).all()):
            # Packing costs 7 times a padded run on a CPU. In training, rows of unequal length are
            # read by gather (see last_step) and their final states are not used.
            y, (h_last, c_last) = self.cell(x, state)
        else:
            packed = pack_padded_sequence(x, lengths.cpu(), enforce_sorted=False)
            y_packed, (h_last, c_last) = self.cell(packed, state)
            y, _ = pad_packed_sequence(y_packed, total_length=x.shape[0])
        return y, h_last.squeeze(0), c_last.squeeze(0)

    def write(self, graph: GraphWriter, x: str, h: str | None = None, c: str | None = None) -> LstmTensors:
        """The ONNX LSTM node; without states it starts from zero."""
        weights = onnx_weights([self.cell])
        return write_lstm(graph, x, weights, h=h, c=c)


class LstmTensors:
    """Names of an LSTM node's outputs: `y [time, batch, hidden]`, `h` and `c` `[batch, hidden]`."""

    def __init__(self, y: str, h: str, c: str) -> None:
        self.y, self.h, self.c = y, h, c


def onnx_weights(cells: list[nn.LSTM]) -> dict[str, Array]:
    """W, R and B of an ONNX LSTM node, one cell per direction: gates i, f, g, o become i, o, f, c."""
    ways = [
        {name: _reorder(value.detach().cpu().numpy()) for name, value in cell.named_parameters()}
        for cell in cells
    ]
    return {
        "W": np.stack([way["weight_ih_l0"] for way in ways]),
        "R": np.stack([way["weight_hh_l0"] for way in ways]),
        "B": np.stack([np.concatenate([way["bias_ih_l0"], way["bias_hh_l0"]]) for way in ways]),
    }


def write_lstm(
    graph: GraphWriter, x: str, weights: dict[str, Array], h: str | None = None, c: str | None = None
) -> LstmTensors:
    """A forward LSTM node over the graph's lengths; `weights` may hold peepholes as P."""
    y, h_last, c_last = write_lstm_node(graph, x, weights, "forward", h, c)
    return LstmTensors(graph.squeeze(y, 1), graph.squeeze(h_last, 0), graph.squeeze(c_last, 0))


def write_lstm_node(
    graph: GraphWriter,
    x: str,
    weights: dict[str, Array],
    direction: str,
    h: str | None = None,
    c: str | None = None,
) -> list[str]:
    """ONNX's own outputs: `y [time, ways, batch, hidden]`, `h` and `c` `[ways, batch, hidden]`."""
    peepholes = [graph.constant(weights["P"], "P")] if "P" in weights else []
    return graph.nodes(
        "LSTM",
        x,
        *(graph.constant(weights[name], name) for name in "WRB"),
        graph.lengths,
        graph.unsqueeze(h, 0) if h else "",
        graph.unsqueeze(c, 0) if c else "",
        *peepholes,
        outputs=3,
        hidden_size=weights["R"].shape[2],
        direction=direction,
    )


def last_step(y: Tensor, lengths: Tensor) -> Tensor:
    """`y [time, batch, …]` at each row's own last step: `[batch, …]`."""
    rows = torch.arange(y.shape[1], device=y.device)
    return y[lengths.to(torch.long) - 1, rows]


def write_last_step(graph: GraphWriter, y: str, rank: int = 3) -> str:
    """The same as ONNX nodes, for the graph's lengths and a `y` of `rank` axes."""
    last = graph.node("Sub", graph.lengths, graph.constant(np.array(1, np.int32), "one"))
    index = graph.unsqueeze(graph.node("Cast", last, to=TensorProto.INT64), 1)
    by_row = graph.node("Transpose", y, perm=[1, 0, *range(2, rank)])
    return graph.node("GatherND", by_row, index, batch_dims=1)


def _reorder(stacked_gates: Array) -> Array:
    i, f, g, o = np.split(stacked_gates, 4)
    return np.concatenate([i, o, f, g])
