"""Sequences from files: CSV, NPY, JSON, text, and WAV for models that listen."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import orjson


class UnreadableFile(Exception):
    """The file holds no sequence; the message says what would."""


def read_request(path: Path) -> dict[str, Any]:
    """A /predict body from a file; raises UnreadableFile."""
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise UnreadableFile(f"{path}: expected one of {', '.join(_READERS)}")
    try:
        return reader(path)
    except (OSError, ValueError) as failure:
        raise UnreadableFile(f"{path}: {failure}") from failure


def _from_csv(path: Path) -> dict[str, Any]:
    """One sequence: a line a step, a column a feature; a first line of names is passed over."""
    with path.open(newline="") as file:
        lines = [line for line in csv.reader(file) if line]
    if lines and not _is_number(lines[0][0]):
        lines = lines[1:]
    return {"sequence": [[float(cell) for cell in line] for line in lines]}


def _from_npy(path: Path) -> dict[str, Any]:
    """One sequence `[steps, *step]`."""
    return {"sequence": np.load(path, allow_pickle=False).tolist()}


def _from_json(path: Path) -> dict[str, Any]:
    """A /predict body, or just the nested list of one sequence."""
    parsed = orjson.loads(path.read_bytes())
    return parsed if isinstance(parsed, dict) else {"sequence": parsed}


def _from_text(path: Path) -> dict[str, Any]:
    return {"sequence": path.read_text().strip()}


def _from_wav(path: Path) -> dict[str, Any]:
    """Speech at 8 kHz, as the frames that the bundled `digits` model takes."""
    from cli.audio import mfcc, read_wav

    return {"sequence": mfcc(read_wav(path)).tolist()}


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


_READERS = {".csv": _from_csv, ".npy": _from_npy, ".json": _from_json, ".txt": _from_text, ".wav": _from_wav}
