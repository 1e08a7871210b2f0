"""What a batch costs on this engine, learned from what batches did cost."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from statistics import median
from typing import TypeAlias

import numpy as np

_RECENT = 64
_REFIT_EVERY = 32
_LAST_FEW = 8

ROW_TICK_S = 8e-6
"""What a row costs in every tick it rides, beside the engine: its input laid in, its state fetched and put
back. Measured: two layers of 64 cells, one core of an AMD EPYC.
"""


_Observation: TypeAlias = tuple[float, float, float]
"""Rows, padded steps, and the seconds that the engine computed."""


class CostModel:
    """Predicts seconds as `wait + call + step * padded_steps + row_step * padded_steps * rows`.

    The last three parts are what a recurrent batch is made of: a fixed price per call, a price per
    time step that no row can avoid (steps follow each other), and a price per row and step.
    They are found in what batches computed. What a call then waits for threads and the event loop has
    nothing to do with its size: at its least it belongs to the price of the call, and what is added to
    that on a busy machine, often more than the batch computes, to no price but to the time until its end.
    """

    def __init__(self) -> None:
        self._calibration: list[_Observation] = []
        self._recent: deque[_Observation] = deque(maxlen=_RECENT)
        # What the same batches took in all, beside what they computed.
        self._beside_s: deque[float] = deque(maxlen=_RECENT)
        self._unfitted = 0
        self.call_s, self.step_s, self.row_step_s = self._calibrated = 1e-4, 1e-5, 1e-6
        # Of the price of a call what the engine alone takes.
        self.engine_call_s = self.call_s
        self.wait_s = 0.0

    def seconds(self, rows: float, padded_steps: float) -> float:
        """The predicted time of one batch."""
        return self.wait_s + self.call_s + padded_steps * (self.step_s + self.row_step_s * rows)

    def cautious_seconds(self, rows: int, padded_steps: int) -> float:
        """The same where the engine is as slow beside the prediction as in the worst of its last batches."""
        last = islice(zip(reversed(self._recent), reversed(self._beside_s), strict=True), _LAST_FEW)
        slowness = [
            (computed_s + beside_s) / self.seconds(n, steps) for (n, steps, computed_s), beside_s in last
        ]
        return self.seconds(rows, padded_steps) * max([1.0, *slowness])

    def calibrate(self, observations: Sequence[_Observation]) -> None:
        """Learn from warm-up runs `(rows, padded_steps, seconds)`; they keep later fits well-posed."""
        self._calibration = [observation for observation in observations if _is_measured(observation)]
        if self._calibration:
            self._calibrated = _fitted(self._calibration)
        self._fit()

    def observe(
        self, rows: float, padded_steps: int, computed_s: float, took_s: float, calls: int = 1
    ) -> None:
        """Learn from a batch that computed for so long, in calls of like lengths, and took so long in all.

        `rows` is the mean of its steps, where it was cut.
        """
        observation = (rows, padded_steps / calls, computed_s / calls)
        if not _is_measured(observation):
            return
        self._recent.append(observation)
        self._beside_s.append(max(0.0, took_s - computed_s))
        self._unfitted += 1
        if self._unfitted >= _REFIT_EVERY:
            self._fit()

    def _fit(self) -> None:
        self._unfitted = 0
        if not self._calibration and not self._recent:
            return
        calibration = self._calibration_now()
        # A scheduler that makes all batches alike shows one price only: the rest the warm-up has to tell.
        weight = max(1.0, len(self._recent) / max(1, len(calibration)))
        self.call_s, self.step_s, self.row_step_s = _fitted(calibration, weight, self._recent)
        self.engine_call_s = self.call_s
        if self._beside_s:
            least_s = min(self._beside_s)
            self.call_s += least_s
            self.wait_s = median(self._beside_s) - least_s

    def _calibration_now(self) -> list[_Observation]:
        """The warm-up runs at today's speed: what slows every batch has slowed these too."""
        if not self._recent or not self._calibration:
            return self._calibration
        call_s, step_s, row_step_s = self._calibrated
        slower = median(
            computed_s / (call_s + steps * (step_s + row_step_s * rows))
            for rows, steps, computed_s in self._recent
        )
        return [(rows, steps, ran_s * slower) for rows, steps, ran_s in self._calibration]


class EngineCosts:
    """A cost model for each engine of a model version; its predictions are those of the engine in use.

    So what is admitted and who runs together follow the engine that survives, not the one that was lost.
    """

    def __init__(self, in_use: Callable[[], str]) -> None:
        self._in_use = in_use
        self._models: dict[str, CostModel] = {}

    def of(self, engine: str) -> CostModel:
        model = self._models.get(engine)
        if model is None:
            # Asked twice for every batch: making one to throw away would cost more than finding it.
            model = self._models[engine] = CostModel()
        return model

    def current(self) -> CostModel:
        return self.of(self._in_use())


def _is_measured(observation: _Observation) -> bool:
    """Not what a clock reads that is too coarse to see the batch, or is set back."""
    return observation[2] > 0


def _fitted(
    calibration: Sequence[_Observation], weight: float = 1.0, recent: Iterable[_Observation] = ()
) -> tuple[float, float, float]:
    """The prices that explain both best, each of the first as often as `weight` says."""
    points = np.array([*calibration, *recent], dtype=np.float64)
    rows, steps, seconds = points.T
    # Relative errors count, else one long batch outweighs all short ones.
    terms = np.stack([np.ones_like(rows), steps, steps * rows], axis=1) / seconds[:, None]
    weights = np.ones(len(points))
    weights[: len(calibration)] = math.sqrt(weight)
    return _non_negative_fit(terms, weights)


def _non_negative_fit(terms: np.ndarray, weights: np.ndarray) -> tuple[float, float, float]:
    """Least squares for `terms @ x = 1`, x >= 0: the most negative part becomes 0, the rest is refitted."""
    terms = terms * weights[:, None]
    active = [0, 1, 2]
    solution = np.zeros(3)
    while active:
        fitted = np.linalg.lstsq(terms[:, active], weights, rcond=None)[0]
        if fitted.min() >= 0:
            solution[active] = fitted
            break
        active.pop(int(fitted.argmin()))
    call_s, step_s, row_step_s = (float(part) for part in solution)
    return call_s, step_s, row_step_s
