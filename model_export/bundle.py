"""Publishing: a verified artefact becomes a bundle, in one piece or not at all."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import onnx
import orjson

from model_export.model_card import ModelCard
from model_export.onnx_file import write_onnx
from model_export.parity import ParityCheck, ParityReport, Reference
from service.backends.protocol import Artifact, Backend
from service.domain.signature import Signature
from service.domain.tensors import Array
from service.repository.golden import GoldenVectors, write_golden
from service.repository.manifest import GOLDEN, MANIFEST, ONNX, PARITY, Manifest, Quality, State, Tolerance
from service.repository.model_file import look_through

_MOST_GOLDEN_STEPS = 40
_GOLDEN_COUNT = 3


@dataclass(frozen=True, slots=True)
class Candidate:
    """What wants to become a bundle."""

    name: str
    version: str
    card: ModelCard
    states: tuple[State, ...]
    is_causal: bool
    model: onnx.ModelProto
    reference: Reference
    examples: list[Array]
    quality: tuple[Quality, ...] = ()

    def manifest(self, tolerance: Tolerance, files: dict[str, str]) -> Manifest:
        return Manifest(
            name=self.name,
            version=self.version,
            kind=self.card.kind,
            task=self.card.task,
            description=self.card.description,
            causal=self.is_causal,
            step=self.card.step,
            output=self.card.output,
            states=self.states,
            feedback=self.card.feedback,
            dataset=self.card.dataset,
            quality=self.quality,
            remarks=self.card.remarks,
            tolerance=tolerance,
            files=files,
        )


def publish(
    candidate: Candidate, backend: Backend, models_dir: Path, seed: int
) -> tuple[Manifest, ParityReport]:
    """Verify the candidate on `backend` and place it under `models_dir`, replacing the same version.

    Raises ParityFailed, and leaves `models_dir` as it was, where the artefact is not exact.
    """
    models_dir.mkdir(parents=True, exist_ok=True)
    folder = Path(mkdtemp(prefix=f".{candidate.name}-", dir=models_dir))
    try:
        write_onnx(candidate.model, folder / ONNX)
        signature = _signature(candidate)
        # What a server would not open is not published.
        look_through((folder / ONNX).read_bytes(), signature, folder / ONNX)
        report, tolerance = _verify(candidate, signature, backend, folder / ONNX, seed)
        (folder / PARITY).write_bytes(orjson.dumps(report.as_dict(), option=orjson.OPT_INDENT_2))
        write_golden(folder, _golden(candidate))
        files = {name: _sha256(folder / name) for name in (ONNX, PARITY, GOLDEN)}
        manifest = candidate.manifest(tolerance, files)
        (folder / MANIFEST).write_text(manifest.model_dump_json(indent=2, exclude_none=True) + "\n")
        _move_into_place(folder, models_dir / candidate.name / candidate.version)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return manifest, report


def _signature(candidate: Candidate) -> Signature:
    nothing = {ONNX: "0" * 64}
    return candidate.manifest(Tolerance(reference=0, batched=0, chunked=0), nothing).signature


def _verify(
    candidate: Candidate, signature: Signature, backend: Backend, path: Path, seed: int
) -> tuple[ParityReport, Tolerance]:
    backend.load(Artifact(path, signature))
    try:
        return ParityCheck(backend, signature, candidate.reference, candidate.examples, seed).run()
    finally:
        backend.close()


def _golden(candidate: Candidate) -> GoldenVectors:
    """The shortest examples, cut where they are long, and what the reference answers to them."""
    sequences = sorted(candidate.examples, key=len)[:_GOLDEN_COUNT]
    sequences = [sequence[:_MOST_GOLDEN_STEPS] for sequence in sequences]
    outputs = [candidate.reference(sequence)[0].astype(np.float32) for sequence in sequences]
    return GoldenVectors(tuple(sequences), tuple(outputs))


def _move_into_place(folder: Path, target: Path) -> None:
    """The folder appears under its name complete; a reader never sees half of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    if target.exists():
        replaced = folder.with_name(folder.name + "-replaced")
        target.rename(replaced)
        folder.rename(target)
        shutil.rmtree(replaced)
    else:
        folder.rename(target)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
