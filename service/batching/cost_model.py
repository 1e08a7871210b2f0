"""What a batch costs on this engine, learned from what batches did cost."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import islice
from statistics import median

import numpy as np

_RECENT = 64
_REFIT_EVERY = 32
_LAST_FEW = 8

ROW_TICK_S = 8e-6
"""What a row costs in every tick it rides, beside the engine: its input laid in, its state fetched and put
back. Measured: two layers of 64 cells, one core of an AMD EPYC.
"""


class CostModel:
    """Predicts seconds as `call + step * padded_steps + row_step * padded_steps * rows`.

    The three parts are what a recurrent batch is made of: a fixed price per call, a price per
    time step that no row can avoid (steps follow each other), and a price per row and step.
    """

    def __init__(self) -> None:
        self._calibration: list[tuple[int, int, float]] = []
        self._recent: deque[tuple[int, int, float]] = deque(maxlen=_RECENT)
        self._unfitted = 0
        self.call_s, self.step_s, self.row_step_s = 1e-4, 1e-5, 1e-6

    def seconds(self, rows: int, padded_steps: int) -> float:
        """The predicted time of one batch."""
        return self.call_s + padded_steps * (self.step_s + self.row_step_s * rows)

    def cautious_seconds(self, rows: int, padded_steps: int) -> float:
        """The same where the engine is as slow beside the prediction as in the worst of its last batches."""
        last = islice(reversed(self._recent), _LAST_FEW)
        slowness = max((took_s / self.seconds(rows, steps) for rows, steps, took_s in last), default=1.0)
        return self.seconds(rows, padded_steps) * max(1.0, slowness)

    def calibrate(self, observations: list[tuple[int, int, float]]) -> None:
        """Learn from warm-up runs `(rows, padded_steps, seconds)`; they keep later fits well-posed."""
        self._calibration = [observation for observation in observations if _is_measured(observation)]
        self._fit()

    def observe(self, rows: int, padded_steps: int, seconds: float) -> None:
        """Learn from a batch that ran."""
        observation = (rows, padded_steps, seconds)
        if not _is_measured(observation):
            return
        self._recent.append(observation)
        self._unfitted += 1
        if self._unfitted >= _REFIT_EVERY:
            self._fit()

    def _fit(self) -> None:
        self._unfitted = 0
        if not self._calibration and not self._recent:
            return
        points = np.array([*self._calibrated_now(), *self._recent], dtype=np.float64)
        rows, steps, seconds = points.T
        # Relative errors count, else one long batch outweighs all short ones.
        terms = np.stack([np.ones_like(rows), steps, steps * rows], axis=1) / seconds[:, None]
        self.call_s, self.step_s, self.row_step_s = _non_negative_fit(terms)

    def _calibrated_now(self) -> list[tuple[int, int, float]]:
        """The warm-up runs at today's speed: what slows every batch has slowed these too."""
        if not self._recent:
            return self._calibration
        slower = median(took_s / self.seconds(rows, steps) for rows, steps, took_s in self._recent)
        self._calibration = [(rows, steps, took_s * slower) for rows, steps, took_s in self._calibration]
        return self._calibration


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


def _is_measured(observation: tuple[int, int, float]) -> bool:
    """Not what a clock reads that is too coarse to see the batch, or is set back."""
    return observation[2] > 0


def _non_negative_fit(terms: np.ndarray) -> tuple[float, float, float]:
    """Least squares for `terms @ x = 1`, x >= 0: the most negative part becomes 0, the rest is refitted."""
    active = [0, 1, 2]
    solution = np.zeros(3)
    while active:
        fitted = np.linalg.lstsq(terms[:, active], np.ones(len(terms)), rcond=None)[0]
        if fitted.min() >= 0:
            solution[active] = fitted
            break
        active.pop(int(fitted.argmin()))
    call_s, step_s, row_step_s = (float(part) for part in solution)
    return call_s, step_s, row_step_s
