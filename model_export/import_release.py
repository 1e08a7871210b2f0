"""From an imported model to a published bundle."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from model_export.bundle import Candidate, publish
from model_export.model_card import ModelCard
from model_export.onnx_file import write_onnx
from model_export.onnx_import import ImportedModel
from model_export.onnx_import.trial import Trial
from model_export.parity import ParityReport, Reference
from service.backends.onnxruntime_backend import OnnxRuntimeBackend
from service.backends.protocol import Artifact, Backend
from service.domain.batches import Batch
from service.domain.tensors import Array
from service.repository.manifest import ONNX, Kind, Manifest, Task

_LENGTHS = (1, 5, 17, 40, 90)
_SEED = 7


def release_import(
    imported: ImportedModel, name: str, version: str, models_dir: Path
) -> tuple[Manifest, ParityReport]:
    """Publish an import that `import_model` has proved against its original.

    There is no PyTorch module to compare with: the reference is the imported graph itself, one sequence
    at a time from fresh states, so parity adds batching and cutting on sequences of many lengths.
    """
    backend = OnnxRuntimeBackend()
    with TemporaryDirectory() as folder:
        path = Path(folder) / ONNX
        write_onnx(imported.model, path)
        backend.load(Artifact(path, imported.signature))
        candidate = Candidate(
            name=name,
            version=version,
            card=_card(imported, name),
            states=imported.states,
            is_causal=imported.causal,
            model=imported.model,
            reference=_alone(backend, imported),
            examples=_examples(imported, backend),
        )
        try:
            return publish(candidate, OnnxRuntimeBackend(), models_dir, _SEED)
        finally:
            backend.close()


def _card(imported: ImportedModel, name: str) -> ModelCard:
    return ModelCard(
        kind=Kind.IMPORTED,
        task=Task.TENSOR,
        description=f"{name}, imported from ONNX",
        step=imported.step,
        output=imported.output,
        remarks=(
            "Compared with its original on random full-length sequences.",
            "The parity report compares batched and cut sequences with lone ones.",
            *imported.notes,
        ),
    )


def _examples(imported: ImportedModel, backend: Backend) -> list[Array]:
    trial = Trial(backend, imported, np.random.default_rng(_SEED))
    return [trial.sequence(steps, 1)[:, 0] for steps in _LENGTHS]


def _alone(backend: Backend, imported: ImportedModel) -> Reference:
    def reference(sequence: Array) -> tuple[Array, tuple[Array, ...]]:
        fresh = tuple(np.zeros((1, *state.shape), np.float32) for state in imported.states)
        lengths = np.array([len(sequence)], np.int32)
        result = backend.run(Batch(np.ascontiguousarray(sequence[:, np.newaxis]), lengths, fresh))
        is_per_step = imported.signature.has_step_outputs
        output = result.output[:, 0] if is_per_step else result.output[0]
        return output, tuple(state[0] for state in result.states)

    return reference
