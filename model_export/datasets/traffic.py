"""Hourly road traffic, and the volume that is usual for each hour."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from functools import cache

import numpy as np

from model_export.datasets.vendored_files import read_bytes
from service.domain.tensors import Array

_FILE = "traffic.csv.xz"
_WEEK = 168
_WEEKS = 4
_VALIDATION_FROM = "2018-05-01T00"
_TEST_FROM = "2018-07-01T00"
HORIZON = 24


@dataclass(frozen=True, slots=True)
class TrafficHours:
    """`steps [hour, 26]` as a client sends them, and `targets [hour, 24]`, the volumes that followed.

    `train`, `validation` and `test` hold the hours whose forecast belongs to each part: the hour
    itself and the 24 that follow lie inside the part.
    """

    steps: Array
    targets: Array
    train: range
    validation: range
    test: range


@cache
def load_traffic() -> TrafficHours:
    """Two years of hours; the first four weeks only serve to say what is usual."""
    times, volume = _read_volume()
    usual = _usual_volume(volume)
    first, last = _WEEKS * _WEEK, len(volume) - HORIZON
    hours = np.arange(first, last)
    ahead = hours[:, None] + np.arange(1, HORIZON + 1)
    steps = np.column_stack([volume[hours], usual[hours], usual[ahead]])
    validation, test = (
        int(np.searchsorted(times, np.datetime64(hour, "h"))) - first
        for hour in (_VALIDATION_FROM, _TEST_FROM)
    )
    return TrafficHours(
        steps=steps.astype(np.float32),
        targets=volume[ahead].astype(np.float32),
        train=range(validation - HORIZON),
        validation=range(validation, test - HORIZON),
        test=range(test, len(hours)),
    )


def _read_volume() -> tuple[Array, Array]:
    """Every hour and its volume; an hour without a count takes the line between its neighbours."""
    rows = list(csv.DictReader(io.StringIO(read_bytes(_FILE).decode("ascii"))))
    times = np.array([row["datetime"] for row in rows], dtype="datetime64[h]")
    volume = np.array([float(row["traffic_volume"] or "nan") for row in rows])
    known = np.flatnonzero(~np.isnan(volume))
    return times, np.interp(np.arange(len(volume)), known, volume[known])


def _usual_volume(volume: Array) -> Array:
    """The mean of the same hour in the four weeks before: known a week ahead."""
    usual = np.full(len(volume), np.nan)
    for hour in range(_WEEKS * _WEEK, len(volume)):
        usual[hour] = volume[hour - _WEEKS * _WEEK : hour : _WEEK].mean()
    return usual
