"""Who is how fast: each engine at its own best setting, beside the best CPU at its own best batch."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from load_tests.engines.outcome import Measurement, ModelOutcome

CPU = "cpu"


@dataclass(frozen=True, slots=True)
class Curve:
    """One engine in one precision over rows, at one length; at each number of rows its fastest setting."""

    label: str
    steps: int
    points: tuple[Measurement, ...]

    @property
    def best(self) -> Measurement:
        """The batch of the highest throughput, host to host."""
        return max(self.points, key=lambda point: point.rate)

    @property
    def best_on_device(self) -> Measurement | None:
        """The batch of the highest throughput of the device alone."""
        timed = [point for point in self.points if point.device_rate]
        return max(timed, key=lambda point: point.device_rate or 0.0, default=None)

    @property
    def alone(self) -> Measurement | None:
        """One row at a time."""
        return next((point for point in self.points if point.rows == 1), None)

    @property
    def is_cpu(self) -> bool:
        return self.points[0].ran.device == CPU


@dataclass(frozen=True, slots=True)
class Standings:
    """All curves of a model at one length."""

    steps: int
    curves: tuple[Curve, ...]

    @property
    def cpu(self) -> Curve | None:
        """The CPU's curve; where only settings compete there are several: the one that peaks highest."""
        return max((one for one in self.curves if one.is_cpu), key=lambda one: one.best.rate, default=None)

    def ratio(self, rate: float | None) -> float | None:
        """How many times the CPU's best throughput this is; None without a CPU figure."""
        return rate / self.cpu.best.rate if self.cpu and rate else None

    def ratio_to_alone(self, rate: float) -> float | None:
        """How many times what the CPU does one row at a time: what is often published, and unfair."""
        alone = self.cpu.alone if self.cpu else None
        return rate / alone.rate if alone else None


def standings_of(model: ModelOutcome) -> list[Standings]:
    """By rising length. Where there is but one engine, its settings are compared in its place."""
    lengths = sorted({one.steps for one in model.measurements})
    return [_at(model, steps, _labels(model)) for steps in lengths]


def _labels(model: ModelOutcome) -> dict[Measurement, str]:
    engines = {(one.ran.engine, one.ran.precision) for one in model.measurements}
    only_one = len(engines) == 1
    return {
        one: f"{one.ran.engine} {one.ran.precision}" + f", {one.ran.setting}" * only_one
        for one in model.measurements
    }


def _at(model: ModelOutcome, steps: int, labels: dict[Measurement, str]) -> Standings:
    fastest: defaultdict[str, dict[int, Measurement]] = defaultdict(dict)
    for one in model.measurements:
        if one.steps == steps:
            points = fastest[labels[one]]
            rival = points.get(one.rows)
            if rival is None or one.median_s < rival.median_s:
                points[one.rows] = one
    curves = [
        Curve(label, steps, tuple(points[rows] for rows in sorted(points)))
        for label, points in fastest.items()
    ]
    return Standings(steps, tuple(curves))
