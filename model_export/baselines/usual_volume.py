"""What the next hours are without a network: the usual, last week, or a share of the last deviation."""

from __future__ import annotations

import numpy as np

from model_export.datasets.traffic import HORIZON, TrafficHours
from service.domain.tensors import Array

_WEEK = 168


def volume_forecasts(traffic: TrafficHours, hours: range) -> dict[str, Array]:
    """Forecasts `[hour, 24]` for the given hours by their names; shares come from the hours before them."""
    chosen = traffic.steps[hours.start : hours.stop]
    usual, deviation = chosen[:, 2:], (chosen[:, 0] - chosen[:, 1])[:, np.newaxis]
    last_week = np.arange(hours.start, hours.stop)[:, np.newaxis] + np.arange(1, HORIZON + 1) - _WEEK
    return {
        "same hour last week": traffic.steps[last_week, 0],
        "usual: mean of 4 weeks": usual,
        "usual and the whole deviation now": usual + deviation,
        "usual and a fading share of it": usual + fading_shares(traffic, hours.start - HORIZON) * deviation,
    }


def fading_shares(traffic: TrafficHours, known: int) -> Array:
    """How much of a deviation remains 1 to 24 hours later, by least squares over the first `known` hours."""
    steps = traffic.steps[:known]
    deviation = (steps[:, 0] - steps[:, 1])[:, np.newaxis]
    later = traffic.targets[:known] - steps[:, 2:]
    shares: Array = (deviation * later).sum(axis=0) / np.square(deviation).sum()
    return shares


def mean_absolute_error(forecast: Array, target: Array) -> float:
    """In the unit of both."""
    return float(np.abs(forecast.astype(np.float64) - target).mean())
