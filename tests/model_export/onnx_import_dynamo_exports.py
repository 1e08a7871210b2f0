"""Exports several recurrent modules at once with PyTorch's default exporter.

Only the first export of a recurrent module in a process keeps time open; later ones freeze it to the
example's length without saying so. So this is a program of its own, and all answers are one export's.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim

FEATURES, HIDDEN, LAYERS, CLASSES = 5, 6, 2, 4
ANSWERS = ("stateful", "both_ways", "gru", "time_major")
# The exporter unrolls the example's steps on its way: two of them are enough.
STEPS, ROWS = 2, 3


class Recurrent(nn.Module):
    """Four models over one sequence; an import picks the answer of one."""

    def __init__(self) -> None:
        super().__init__()
        self.stacked = nn.LSTM(FEATURES, HIDDEN, LAYERS, batch_first=True)
        self.both = nn.LSTM(FEATURES, HIDDEN, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * HIDDEN, CLASSES)
        self.gru = nn.GRU(FEATURES, HIDDEN, batch_first=True)
        self.time_major = nn.LSTM(FEATURES, HIDDEN)

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, ...]:
        y, (h, c) = self.stacked(x, (h, c))
        last = self.head(self.both(x)[0][:, -1])
        return y, last, self.gru(x)[0], self.time_major(x.transpose(0, 1))[0], h, c


def module() -> Recurrent:
    torch.manual_seed(0)
    return Recurrent().eval()


def write(path: Path) -> None:
    state = torch.zeros(LAYERS, ROWS, HIDDEN)
    torch.onnx.export(
        module(),
        (torch.randn(ROWS, STEPS, FEATURES), state, state.clone()),
        path,
        dynamo=True,
        dynamic_shapes=({0: Dim.DYNAMIC, 1: Dim.DYNAMIC}, {1: Dim.DYNAMIC}, {1: Dim.DYNAMIC}),
        output_names=[*ANSWERS, "h_last", "c_last"],
        external_data=False,
        verbose=False,
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    write(Path(sys.argv[1]))
