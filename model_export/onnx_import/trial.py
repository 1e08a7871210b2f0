"""Running the imported model on drawn numbers, and comparing what comes out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from model_export.onnx_import.imported_model import ImportedModel
from model_export.onnx_import.refusal import ImportRefused
from service.backends.protocol import Backend
from service.domain.batches import Batch, BatchResult
from service.domain.tensors import Array
from service.errors import EngineFailed


@dataclass(frozen=True)
class Trial:
    """An imported model on a backend, and a generator to draw its inputs from."""

    backend: Backend
    imported: ImportedModel
    generator: np.random.Generator

    def sequence(self, time: int, batch: int) -> Array:
        """Random steps `[time, batch, *step]` that the model can read."""
        step = self.imported.step
        shape = (time, batch, *step.shape)
        if step.datatype.is_floating:
            return self.generator.standard_normal(shape).astype(step.datatype.dtype)
        count = self.imported.origin.symbol_count or 2
        return self.generator.integers(0, count, shape).astype(step.datatype.dtype)

    def padding(self, time: int) -> Array:
        """What may stand past a row's own steps: no number at all, or any symbol."""
        symbols = self.sequence(time, 1)[:, 0]
        return np.full_like(symbols, np.nan) if self.imported.step.datatype.is_floating else symbols

    def states(self, batch: int, scale: float = 1.0) -> tuple[Array, ...]:
        """Random states, or with scale 0 fresh ones."""
        shapes = [(batch, *state.shape) for state in self.imported.states]
        return tuple((scale * self.generator.standard_normal(shape)).astype(np.float32) for shape in shapes)

    def run(self, sequence: Array, lengths: list[int], states: tuple[Array, ...]) -> BatchResult:
        try:
            return self.backend.run(Batch(sequence, np.array(lengths, dtype=np.int32), states))
        except EngineFailed as failure:
            raise ImportRefused("imported model", f"cannot be run: {failure.message}") from failure


def difference(found: Array, expected: Array) -> float:
    """The largest difference, relative where a number is above 1; infinite where shapes or NaNs differ."""
    if found.shape != expected.shape:
        return float("inf")
    distance = np.abs(found - expected) / np.maximum(1, np.abs(expected))
    return float(np.nan_to_num(distance, nan=np.inf).max(initial=0))
