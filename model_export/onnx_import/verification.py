"""Proof by running: the imported model against the original, then against its own contract."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx

from model_export.onnx_import.contract_check import contract_differences
from model_export.onnx_import.imported_model import ImportedModel
from model_export.onnx_import.original_run import OriginalRun
from model_export.onnx_import.refusal import ImportRefused
from model_export.onnx_import.trial import Trial, difference
from service.backends.onnxruntime_backend import OnnxRuntimeBackend
from service.backends.protocol import Artifact
from service.errors import InvalidBundle
from service.repository.manifest import ONNX

TOLERANCE = 1e-5
_SIZES = ((5, 3), (8, 2), (2, 4))


def verify(original: Path, imported: ImportedModel) -> float:
    """The largest difference found, relative where a number is above 1.

    Full-length sequences through the original and through the import must agree within TOLERANCE;
    in the import a row in a padded batch must equal that row alone, and a causal model cut into
    chunks must equal itself whole. Raises ImportRefused where one of them does not hold.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ONNX
        onnx.save(imported.model, path)
        backend = OnnxRuntimeBackend()
        try:
            backend.load(Artifact(path, imported.signature))
        except InvalidBundle as failure:
            raise ImportRefused(
                original.name, f"the imported model cannot be run: {failure.message}"
            ) from failure
        trial = Trial(backend, imported, np.random.default_rng(0))
        worst = 0.0
        for claim, distance in [*_against_original(trial, original), *contract_differences(trial)]:
            if distance > TOLERANCE:
                raise ImportRefused(
                    original.name, f"{claim} by {distance:.1e}, and {TOLERANCE:.0e} is allowed"
                )
            worst = max(worst, distance)
        return worst


def _against_original(trial: Trial, original: Path) -> Iterator[tuple[str, float]]:
    run = OriginalRun(original, trial.imported.origin)
    for time, batch in _sizes(trial.imported):
        sequence = trial.sequence(time, batch)
        found = trial.run(sequence, [time] * batch, trial.states(batch, scale=0)).output
        yield "the imported model differs from the original", difference(found, run.answer(sequence))


def _sizes(imported: ImportedModel) -> set[tuple[int, int]]:
    """Steps and rows that the original accepts."""
    fixed = imported.origin.extents
    return {(fixed.time or time, fixed.batch or batch) for time, batch in _SIZES}
