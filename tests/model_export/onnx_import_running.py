"""Running an imported model on sequences of unequal length, padded with what must not matter."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from model_export.onnx_import import ImportedModel
from model_export.onnx_import.original_run import OriginalRun
from service.backends.onnxruntime_backend import OnnxRuntimeBackend
from service.backends.protocol import Artifact
from service.domain.batches import Batch
from service.domain.signature import Readout
from service.domain.tensors import Array
from service.repository.model_file import look_through

LENGTHS = (6, 1, 9, 4)
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Running:
    """An imported model on ONNX Runtime."""

    imported: ImportedModel
    backend: OnnxRuntimeBackend

    @property
    def is_last(self) -> bool:
        return self.imported.output.readout is Readout.LAST

    def fresh(self, rows: int) -> tuple[Array, ...]:
        return tuple(np.zeros((rows, *state.shape), np.float32) for state in self.imported.states)

    def together(self, sequences: list[Array]) -> list[Array]:
        """One answer per sequence `[steps, *step]`, all in one padded batch."""
        longest = max(map(len, sequences))
        padding = np.nan if sequences[0].dtype.kind == "f" else 1
        batch = np.full((longest, len(sequences), *sequences[0].shape[1:]), padding, sequences[0].dtype)
        for row, sequence in enumerate(sequences):
            batch[: len(sequence), row] = sequence
        lengths = np.array([len(sequence) for sequence in sequences], np.int32)
        output = self.backend.run(Batch(batch, lengths, self.fresh(len(sequences)))).output
        if self.is_last:
            return list(output)
        return [output[: len(sequence), row] for row, sequence in enumerate(sequences)]

    def in_chunks(self, sequence: Array, size: int) -> Array:
        """The answer to one sequence that arrives `size` steps at a time."""
        states, outputs = self.fresh(1), []
        for start in range(0, len(sequence), size):
            chunk = sequence[start : start + size, None]
            result = self.backend.run(Batch(chunk, np.array([len(chunk)], np.int32), states))
            states = result.states
            outputs.append(result.output)
        return outputs[-1][0] if self.is_last else np.concatenate(outputs)[:, 0]


def start(imported: ImportedModel, folder: Path) -> Running:
    path = folder / "imported.onnx"
    onnx.save(imported.model, path)
    look_through(path.read_bytes(), imported.signature, path)
    backend = OnnxRuntimeBackend()
    backend.load(Artifact(path, imported.signature))
    return Running(imported, backend)


def draw(imported: ImportedModel, lengths: tuple[int, ...] = LENGTHS) -> list[Array]:
    """Random sequences `[steps, *step]` of these lengths."""
    generator = np.random.default_rng(3)
    step = imported.step
    shapes = [(length, *step.shape) for length in lengths]
    if step.datatype.is_floating:
        return [generator.standard_normal(shape).astype(step.datatype.dtype) for shape in shapes]
    count = imported.origin.symbol_count
    return [generator.integers(0, count, shape).astype(step.datatype.dtype) for shape in shapes]


def check_against_the_original_alone(path, imported, folder):
    """Rows of unequal length in one batch, and chunks, against the original on each row alone."""
    running, original = start(imported, folder), OriginalRun(path, imported.origin)
    sequences = draw(imported)
    for answer, sequence in zip(running.together(sequences), sequences, strict=True):
        alone = original.answer(sequence[:, None])
        np.testing.assert_allclose(
            answer, alone[0] if running.is_last else alone[:, 0], atol=TOLERANCE, rtol=0
        )
    if imported.causal:
        whole = running.together(sequences[:1])[0]
        np.testing.assert_allclose(running.in_chunks(sequences[0], 4), whole, atol=TOLERANCE, rtol=0)
