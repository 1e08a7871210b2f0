"""Reads the compressed data files that lie in `vendored/`."""

from __future__ import annotations

import io
import lzma
from pathlib import Path

import numpy as np

from service.domain.tensors import Array

_FOLDER = Path(__file__).parent / "vendored"


def read_bytes(name: str) -> bytes:
    """Decompress `vendored/<name>`; `name` ends in .xz."""
    path = _FOLDER / name
    if not path.is_file():
        held = ", ".join(sorted(file.name for file in _FOLDER.glob("*.xz"))) or "no file"
        raise FileNotFoundError(f"vendored file {name}: not found; the folder holds {held}")
    return lzma.decompress(path.read_bytes())


def read_npz(name: str) -> dict[str, Array]:
    """The arrays of a compressed `.npz` by their names; pickled objects are refused."""
    with np.load(io.BytesIO(read_bytes(name)), allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files}
