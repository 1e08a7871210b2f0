"""What is usual in each month of the year: a smooth yearly cycle for every grid cell."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from model_export.graph_writer import GraphWriter
from service.domain.tensors import Array, Shape

_PER_MONTH = 2 * math.pi / 12
_WAVES = (1, 2)


class SeasonalCycle(nn.Module):
    """A mean and two waves, of a year and of half a year, per cell of a field `[channels, lat, lon]`.

    Smoother than the mean of each month: eight years are few samples for twelve free numbers.
    """

    coefficients: Tensor

    def __init__(self, field: Shape) -> None:
        super().__init__()
        self.register_buffer("coefficients", torch.zeros(1 + 2 * len(_WAVES), *field))

    def fit(self, months: Array, fields: Array) -> None:
        """Least squares over `fields [month, channels, lat, lon]`, whose months of the year are `months`."""
        angle = _PER_MONTH * months.astype(np.float64)
        waves = [wave(k * angle) for k in _WAVES for wave in (np.cos, np.sin)]
        basis = np.column_stack([np.ones_like(angle), *waves])
        solution = np.linalg.lstsq(basis, fields.reshape(len(fields), -1).astype(np.float64))[0]
        self.coefficients.copy_(torch.from_numpy(solution.reshape(self.coefficients.shape)))

    def forward(self, month: Tensor) -> Tensor:
        """`month [..., 1, lat, lon]`, one number in every cell, to `[..., channels, lat, lon]`."""
        usual, *amplitudes = self.coefficients.unbind()
        angle = month * _PER_MONTH
        waves = [wave(k * angle) for k in _WAVES for wave in (torch.cos, torch.sin)]
        for wave, amplitude in zip(waves, amplitudes, strict=True):
            usual = usual + wave * amplitude
        return usual

    def write(self, graph: GraphWriter, month: str) -> str:
        mean, *amplitudes = self.coefficients.cpu().numpy()
        usual = graph.constant(mean, "mean")
        angles = [graph.node("Mul", month, graph.constant(k * _PER_MONTH, "frequency")) for k in _WAVES]
        waves = [graph.node(wave, angle) for angle in angles for wave in ("Cos", "Sin")]
        for wave, amplitude in zip(waves, amplitudes, strict=True):
            usual = graph.node("Add", usual, graph.node("Mul", wave, graph.constant(amplitude, "amplitude")))
        return usual
