"""Exports several recurrent modules at once with PyTorch's default exporter.

Only the first export of a recurrent module in a process keeps time open; later ones freeze it to the
example's length without saying so. So this is a program of its own, and all answers are one export's.
It takes a quarter of a minute, and what it wrote is kept beside it:
    python tests/model_export/onnx_import_dynamo_exports.py tests/model_export/dynamo_export.onnx
"""

from __future__ import annotations

import hashlib
import sys
from importlib.metadata import version
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn
from torch.export import Dim

KEPT = Path(__file__).with_name("dynamo_export.onnx")
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


def origin() -> str:
    """All that decides what an export holds: this file, and the packages that write it."""
    packages = (f"{name} {version(name).partition('+')[0]}" for name in ("torch", "onnxscript", "onnx_ir"))
    return ", ".join((*packages, hashlib.sha256(Path(__file__).read_bytes()).hexdigest()))


def is_kept() -> bool:
    """Whether an export made today would be the one that is kept."""
    noted = onnx.load(KEPT).metadata_props if KEPT.exists() else ()
    return {entry.key: entry.value for entry in noted}.get("origin") == origin()


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
    model = onnx.load(path)
    _forget_folders(model.graph)
    onnx.helper.set_model_props(model, {"origin": origin()})
    onnx.save(model, path)


def _forget_folders(graph: onnx.GraphProto) -> None:
    """Every node's notes hold a stack trace, and that the folders of this machine."""
    for node in graph.node:
        del node.metadata_props[:]
        for attribute in node.attribute:
            _forget_folders(attribute.g)


if __name__ == "__main__":
    torch.set_num_threads(1)
    write(Path(sys.argv[1]))
