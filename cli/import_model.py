"""`carousel import`: someone else's ONNX LSTM, GRU or RNN becomes a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def import_model(
    file: Annotated[Path, typer.Argument(help="An ONNX file.")],
    name: Annotated[str | None, typer.Option(help="The bundle's name; default: the file's.")] = None,
    version: Annotated[str, typer.Option(help="The bundle's version, a whole number.")] = "1",
    output: Annotated[str | None, typer.Option(help="The output that is the answer, if several.")] = None,
    models_dir: Annotated[Path, typer.Option(help="Folder the bundle is published in.")] = Path("models"),
) -> None:
    """Bring a model into the sequence-graph contract, prove it exact, and publish it, or say why not."""
    from cli.extras import require_onnx

    require_onnx("importing")
    from pydantic import ValidationError

    from cli.console import out
    from cli.told import told
    from model_export.import_release import release_import
    from model_export.onnx_import import ImportRefused
    from model_export.onnx_import import import_model as bring_in
    from model_export.parity import ParityFailed

    with told(ImportRefused, ParityFailed, ValidationError):
        imported = bring_in(file, output=output)
        manifest, report = release_import(imported, name or file.stem, version, models_dir)
    for note in imported.notes:
        out.print(f"  {note}", markup=False, soft_wrap=True)
    out.print(
        f"published {manifest.name}/{manifest.version} in {models_dir}: {report.sequences} sequences, "
        f"batched off by {report.batched:.2g}, chunked by {report.chunked:.2g}",
        soft_wrap=True,
    )
