"""A recipe small enough to train in a test: tell rising sequences from falling ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model_export.graph_writer import GraphWriter
from model_export.model_card import ModelCard
from model_export.networks.linear import write_linear
from model_export.networks.lstm_layer import LstmLayer, last_step
from model_export.networks.network import SequenceNetwork, States
from model_export.recipe import Progress, Recipe
from model_export.trainer import Schedule, fit
from service.domain.signature import Readout
from service.domain.tensors import Array, Datatype, Shape
from service.repository.manifest import Dataset, Kind, Output, Quality, Step, Task


class TinyLstm(SequenceNetwork):
    """One LSTM layer and a linear readout at the last step."""

    def __init__(self, features: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.lstm = LstmLayer(features, hidden)
        self.head = nn.Linear(hidden, outputs)

    @property
    def state_shapes(self) -> dict[str, Shape]:
        return {"h": (self.lstm.hidden,), "c": (self.lstm.hidden,)}

    def forward(self, sequence: Tensor, lengths: Tensor, states: States = ()) -> tuple[Tensor, States]:
        h, c = states or self.fresh_states(sequence)
        y, h, c = self.lstm(sequence, lengths, h, c)
        return self.head(last_step(y, lengths)), (h, c)

    def write(self, graph: GraphWriter) -> None:
        h, c = (graph.state(name, shape) for name, shape in self.state_shapes.items())
        tensors = self.lstm.write(graph, graph.sequence, h, c)
        graph.output(write_linear(graph, tensors.h, self.head), Readout.LAST, (self.head.out_features,))
        graph.new_state("h", tensors.h)
        graph.new_state("c", tensors.c)


class Slopes(Recipe):
    """Forecasts the slope of a noisy line."""

    name = "slopes"

    def __init__(self, goal: float = 1.0) -> None:
        self._goal = goal

    def card(self) -> ModelCard:
        return ModelCard(
            kind=Kind.VANILLA,
            task=Task.FORECAST,
            description="the slope of a line",
            step=Step(datatype=Datatype.FP32, shape=(2,), features=("x", "y")),
            output=Output(shape=(1,), readout=Readout.LAST, unit="1"),
            dataset=Dataset(name="lines", source="made here", licence="none", split="by seed"),
        )

    def network(self) -> SequenceNetwork:
        return TinyLstm(2, 8, 1)

    def train(self, network: SequenceNetwork, device: str, progress: Progress) -> None:
        fit(network, self._losses(network, device), Schedule(steps=30, peak_rate=0.02), progress)

    def evaluate(self, network: SequenceNetwork) -> tuple[Quality, ...]:
        lines, slopes = _lines(seed=2)
        found, _ = network(lines, torch.full((lines.shape[1],), len(lines)))
        error = float((found[:, 0] - slopes).abs().mean())
        quality = Quality(
            metric="mean error",
            value=error,
            unit="1",
            goal=self._goal,
            better="lower",
            references={"none": 2.0},
        )
        return (quality,)

    def examples(self, count: int) -> list[Array]:
        lines, _ = _lines(seed=3)
        random = np.random.default_rng(3)
        return [lines[: random.integers(1, len(lines) + 1), row].numpy() for row in range(count)]

    def _losses(self, network: SequenceNetwork, device: str) -> Iterator[Callable[[], Tensor]]:
        lines, slopes = (part.to(device) for part in _lines(seed=1))
        lengths = torch.full((lines.shape[1],), len(lines), device=device)
        while True:
            yield lambda: F.mse_loss(network(lines, lengths)[0][:, 0], slopes)


def _lines(seed: int) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    slopes = torch.randn(32, generator=random)
    x = torch.linspace(0, 1, 12)[:, None].expand(12, 32)
    y = x * slopes + 0.01 * torch.randn(12, 32, generator=random)
    return torch.stack([x, y], dim=2), slopes
