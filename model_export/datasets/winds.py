"""Eleven years of monthly mean winds over the globe, on a grid of 5 degrees."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from model_export.datasets.vendored_files import read_bytes
from service.domain.tensors import Array

_FILE = "navy_winds_5deg_i16.xz"
_MONTHS = 132
_CENTIMETRES = 100
WIND_COMPONENTS = 2
GRID = (36, 72)
# Rows run from the South Pole to the North Pole; a cell's area shrinks with the cosine of its latitude.
_LATITUDES = np.arange(-87.5, 90.0, 5.0)
ROW_AREAS: Array = np.cos(np.deg2rad(_LATITUDES)) / np.cos(np.deg2rad(_LATITUDES)).mean()


@dataclass(frozen=True, slots=True)
class WindMonths:
    """`steps [month, 3, 36, 72]`: the wind to the east and to the north in m/s, and the month, 1 to 12.

    `train`, `validation` and `test` are the months
    to be forecast in each part; what is read for a forecast may lie in the part before.
    """

    steps: Array
    train: range
    validation: range
    test: range


@cache
def load_winds() -> WindMonths:
    """January 1982 to December 1992: eight years to learn from, one to choose by, two to test on."""
    counts = np.frombuffer(read_bytes(_FILE), "<i2").reshape(_MONTHS, WIND_COMPONENTS, *GRID)
    wind = counts.astype(np.float32) / _CENTIMETRES
    month = np.arange(_MONTHS) % 12 + 1
    plane = np.broadcast_to(month[:, None, None, None], (_MONTHS, 1, *GRID))
    steps = np.concatenate([wind, plane], axis=1).astype(np.float32)
    return WindMonths(steps, range(1, 96), range(96, 108), range(108, _MONTHS))
