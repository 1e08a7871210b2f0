"""Versions of one model whose answers tell them apart."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnxruntime

from load_tests.untrained_bundle import LstmSize, write_untrained_bundle
from service.domain.tensors import Array
from service.repository.manifest import ONNX

MODEL = "reloaded"
SIZE = LstmSize(hidden=64, layers=2, features=12)
_SEEDS = (7, 8)
_TOLERANCE = 1e-5


class Versions:
    """Odd versions have one set of weights, even ones another."""

    def __init__(self, models_dir: Path, sequence: Array) -> None:
        self._models_dir = models_dir
        self._sequence = sequence
        self._due: list[Array] = []

    def publish(self, version: int) -> None:
        """Have the next version appear whole, at once, and the one before the last disappear."""
        making = self._models_dir / ".making"
        folder = write_untrained_bundle(making, MODEL, SIZE, str(version), _SEEDS[version % 2])
        if len(self._due) < len(_SEEDS):
            self._due.append(self._answer(folder))
        (self._models_dir / MODEL).mkdir(exist_ok=True)
        folder.rename(self._models_dir / MODEL / str(version))
        shutil.rmtree(making)
        shutil.rmtree(self._models_dir / MODEL / str(version - 2), ignore_errors=True)

    def is_right(self, version: int, output: list[float]) -> bool:
        """Whether this is what the version answers alone, within what batching may change."""
        return bool(np.allclose(output, self._due[(version - 1) % 2], rtol=0, atol=_TOLERANCE))

    def are_distinct(self) -> bool:
        """Whether no answer can be taken for the other's."""
        return float(np.abs(self._due[0] - self._due[1]).max()) > 10 * _TOLERANCE

    def _answer(self, folder: Path) -> Array:
        """Computed by the runtime itself, with no server between."""
        session = onnxruntime.InferenceSession(folder / ONNX)
        states = {
            each.name: np.zeros((1, SIZE.hidden), np.float32)
            for each in session.get_inputs()
            if each.name not in {"sequence", "lengths"}
        }
        lengths = np.array([len(self._sequence)], np.int32)
        output: Array = session.run(
            ["output"], {"sequence": self._sequence[:, np.newaxis], "lengths": lengths, **states}
        )[0][0]
        return output
