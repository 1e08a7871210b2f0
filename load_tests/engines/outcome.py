"""A comparison as it is kept: everything measured, unrounded, with what is needed to draw it elsewhere."""

from __future__ import annotations

import statistics
from enum import StrEnum
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Ran(_Part):
    """Who ran it."""

    engine: str
    precision: str
    setting: str
    device: str


class Measurement(_Part):
    """One contender on one batch: seconds of a run, a number per repeat, each the mean of `runs` in a row.

    `host_s` is from host memory to host memory; `device_s` what the device itself took, without copies, and
    none where the engine cannot tell. `largest_difference` is that of any output from the float32 CPU.
    """

    ran: Ran
    rows: int
    steps: int
    runs: int
    host_s: tuple[float, ...]
    device_s: tuple[float, ...] | None
    largest_difference: float

    @property
    def median_s(self) -> float:
        return statistics.median(self.host_s)

    @property
    def median_device_s(self) -> float | None:
        return statistics.median(self.device_s) if self.device_s else None

    @property
    def spread(self) -> float:
        """Half the distance between the quartiles, as a share of the median."""
        low, high = np.quantile(self.host_s, (0.25, 0.75))
        return float(high - low) / 2 / self.median_s

    @property
    def rate(self) -> float:
        """Sequences per second, host to host."""
        return self.rows / self.median_s

    @property
    def device_rate(self) -> float | None:
        """Sequences per second of the device alone."""
        return self.rows / self.median_device_s if self.median_device_s else None


class Verdict(StrEnum):
    """Why there is no figure."""

    SKIPPED = "skipped"  # not tried: too long or too large
    FAILED = "failed"  # tried, and the engine gave up
    WRONG = "wrong"  # answered, but not what the float32 CPU answers


class Unmeasured(_Part):
    """A batch without a figure; what is skipped or fails is not tried with more rows of this length."""

    ran: Ran
    rows: int
    steps: int
    verdict: Verdict
    reason: str


class NotHere(_Part):
    """An engine or a setting that did not take part, and why."""

    name: str
    reason: str


class ModelOutcome(_Part):
    """All that was measured on one model."""

    model: str
    version: str
    description: str
    tolerances: dict[str, float]
    measurements: tuple[Measurement, ...]
    unmeasured: tuple[Unmeasured, ...]
    refused: tuple[NotHere, ...]

    @property
    def name(self) -> str:
        return f"{self.model}/{self.version}"


class TrainingOutcome(_Part):
    """Optimiser steps of a recipe on one device: seconds of each; so many `steps` are a whole training."""

    recipe: str
    device: str
    threads: int
    steps: int
    step_s: tuple[float, ...]

    @property
    def median_s(self) -> float:
        return statistics.median(self.step_s)


class Outcome(_Part):
    """A whole comparison."""

    schema_version: Literal[1] = 1
    started: str
    commit: str
    machine: dict[str, str]
    settings: dict[str, str]
    models: tuple[ModelOutcome, ...] = ()
    trainings: tuple[TrainingOutcome, ...] = ()
    absent: tuple[NotHere, ...] = ()


def write_outcome(path: Path, outcome: Outcome) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(outcome.model_dump_json(indent=1))


def read_outcome(path: Path) -> Outcome:
    """Raises OSError, and ValueError where the file is no comparison."""
    return Outcome.model_validate_json(path.read_bytes())
