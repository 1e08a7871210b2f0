"""Real sequences and what PyTorch answers to them in float64: a bundle's own proof."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from service.domain.tensors import Array
from service.errors import InvalidBundle
from service.repository.archive import check_archive
from service.repository.files import opened
from service.repository.manifest import GOLDEN

_MOST_BYTES = 1 << 28


@dataclass(frozen=True, slots=True)
class GoldenVectors:
    """Sequences `[steps, *step]`, shortest first, and the output due for each, from fresh states."""

    sequences: tuple[Array, ...] = ()
    outputs: tuple[Array, ...] = ()


def write_golden(folder: Path, golden: GoldenVectors) -> Path:
    """Write `golden.npz` into a bundle's folder."""
    path = folder / GOLDEN
    arrays = {f"sequence_{i}": array for i, array in enumerate(golden.sequences)}
    arrays |= {f"output_{i}": array for i, array in enumerate(golden.outputs)}
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    return path


def read_golden(folder: Path) -> GoldenVectors:
    """Read `golden.npz`; a bundle without one has no vectors."""
    path = folder / GOLDEN
    if not os.path.lexists(path):
        return GoldenVectors()
    try:
        # NumPy leaves a file open that it fails to read; this one is closed here.
        with opened(path, _MOST_BYTES) as file:
            check_archive(file, path)
            return _read(file)
    except InvalidBundle:
        raise
    except Exception as failure:
        # What zipfile, zlib, ast and NumPy make of damaged bytes is no list that ends.
        raise InvalidBundle(f"{path}: not readable: {failure}") from failure


def _read(file: BinaryIO) -> GoldenVectors:
    with np.load(file, allow_pickle=False) as arrays:
        count = sum(name.startswith("sequence_") for name in arrays.files)
        return GoldenVectors(
            tuple(arrays[f"sequence_{i}"] for i in range(count)),
            tuple(arrays[f"output_{i}"] for i in range(count)),
        )
