"""Finds bundles on disk and checks that each is what its manifest says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from service.backends.protocol import Artifact
from service.errors import InvalidBundle
from service.repository.files import check_sha256, read_file
from service.repository.manifest import MANIFEST, ONNX, Manifest, read_manifest
from service.repository.model_file import look_through
from service.repository.versions import is_version
from service.settings import MOST_MODEL_BYTES


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle: its folder and its manifest."""

    folder: Path
    manifest: Manifest

    @property
    def artifact(self) -> Artifact:
        return Artifact(self.folder / ONNX, self.manifest.signature, self.manifest.files[ONNX])


def bundle_folders(models_dir: Path) -> Iterator[Path]:
    """The folders `<name>/<version>/` that hold a manifest, by name and rising version."""
    if not models_dir.is_dir():
        raise InvalidBundle(f"{models_dir}: no such folder: models_dir must hold <name>/<version>/{MANIFEST}")
    for model in sorted(path for path in models_dir.iterdir() if path.is_dir()):
        versions = [path for path in model.iterdir() if is_version(path.name) and (path / MANIFEST).is_file()]
        yield from sorted(versions, key=lambda path: int(path.name))


def read_bundle(folder: Path, most_bytes: int = MOST_MODEL_BYTES) -> Bundle:
    """Read and verify one bundle of at most `most_bytes`, all its files together.

    Raises InvalidBundle naming the file and what is wrong with it.
    """
    manifest = read_manifest(folder)
    if (manifest.name, manifest.version) != (folder.parent.name, folder.name):
        raise InvalidBundle(
            f"{folder / MANIFEST}: says {manifest.name}/{manifest.version}, "
            f"but lies in {folder.parent.name}/{folder.name}"
        )
    for name, expected in manifest.files.items():
        most_bytes -= _check_file(folder, name, expected, most_bytes, manifest)
    return Bundle(folder, manifest)


def _check_file(folder: Path, name: str, expected: str, most_bytes: int, manifest: Manifest) -> int:
    """How many bytes it has; raises InvalidBundle."""
    path = folder / name
    if "\0" in name or path.resolve().parent != folder.resolve():
        raise InvalidBundle(f"{folder / MANIFEST}: files: {name} lies outside the bundle")
    content = read_file(path, most_bytes)
    check_sha256(path, content, expected)
    if name == ONNX:
        look_through(content, manifest.signature, path)
    return len(content)
