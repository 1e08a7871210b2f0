"""`carousel import`: someone else's ONNX LSTM, GRU or RNN becomes a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def import_model(
    file: Annotated[Path, typer.Argument(help="An ONNX file.", exists=True, dir_okay=False)],
    name: Annotated[str | None, typer.Option(help="The bundle's name; default: the file's.")] = None,
    models_dir: Annotated[Path, typer.Option(help="Folder the bundle is published in.")] = Path("models"),
) -> None:
    """Bring a model into the sequence-graph contract, prove it exact, and publish it."""
