"""What next month's field is without a network: the usual, this month's again, or a share of its anomaly."""

from __future__ import annotations

import numpy as np

from service.domain.tensors import Array


def month_means(fields: Array, known: int) -> Array:
    """Climatology for every `field [month, …]`: the mean of its month of the year over the first `known`."""
    means = np.stack([fields[month:known:12].mean(axis=0) for month in range(12)])
    return means[np.arange(len(fields)) % 12]


def fading_anomalies(fields: Array, usual: Array, known: int) -> Array:
    """AR(1) in every cell: the usual, and the share of the last anomaly that remained in the first `known`.

    The first field has none before it and is forecast as usual.
    """
    anomaly = fields - usual
    before, after = anomaly[: known - 1], anomaly[1:known]
    share = (before * after).sum(axis=0) / (before**2).sum(axis=0)
    forecast = usual.copy()
    forecast[1:] += share * anomaly[:-1]
    return forecast


def root_mean_square(error: Array, row_areas: Array) -> float:
    """Over `error [..., lat, lon]`, every cell counting by its area; `row_areas [lat]` have mean 1."""
    return float(np.sqrt(np.mean(np.square(error, dtype=np.float64) * row_areas[:, np.newaxis])))
