"""`carousel import`: someone else's ONNX LSTM, GRU or RNN becomes a bundle."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

_A_NAME = "letters, digits and ._- after a letter or digit, 128 at most"


def import_model(
    file: Annotated[Path, typer.Argument(help="An ONNX file.")],
    name: Annotated[str | None, typer.Option(help="The bundle's name; default: the file's.")] = None,
    version: Annotated[str, typer.Option(help="The bundle's version, a whole number.")] = "1",
    output: Annotated[str | None, typer.Option(help="The output that is the answer, if several.")] = None,
    models_dir: Annotated[Path, typer.Option(help="Folder the bundle is published in.")] = Path("models"),
    replace: Annotated[bool, typer.Option("--replace", help="Also where the version is there.")] = False,
) -> None:
    """Bring a model into the sequence-graph contract, prove it exact, and publish it, or say why not."""
    from cli.extras import require_onnx

    require_onnx()
    from cli.console import out
    from cli.told import told
    from model_export.import_release import release_import
    from model_export.onnx_import import ImportRefused
    from model_export.onnx_import import import_model as bring_in
    from model_export.parity import ParityFailed

    name = name or file.stem
    with told(ImportRefused, ParityFailed, typer.BadParameter):
        _check_place(models_dir, name, version, may_replace=replace)
        imported = bring_in(file, output=output)
        manifest, report = release_import(imported, name, version, models_dir)
    for note in imported.notes:
        out.print(f"  {note}", markup=False, soft_wrap=True)
    out.print(
        f"published {manifest.name}/{manifest.version} in {models_dir}: {report.sequences} sequences, "
        f"batched off by {report.batched:.2g}, chunked by {report.chunked:.2g}",
        soft_wrap=True,
    )


def _check_place(models_dir: Path, name: str, version: str, *, may_replace: bool) -> None:
    """Before a proof that takes its time; raises BadParameter saying what would be right."""
    from service.repository.manifest import NAME
    from service.repository.versions import is_version

    if re.fullmatch(NAME, name) is None:
        raise typer.BadParameter(f"--name: {name!r} names no bundle: expected {_A_NAME}")
    if not is_version(version):
        raise typer.BadParameter(f"--version: {version!r} is no version: expected a whole number, 1 or more")
    if (models_dir / name / version).exists() and not may_replace:
        free = _version_after(models_dir / name)
        raise typer.BadParameter(
            f"{name}/{version} is in {models_dir} already: --version {free} puts this one beside it, "
            "--replace in its place"
        )


def _version_after(folder: Path) -> int:
    from service.repository.versions import is_version

    return 1 + max(int(path.name) for path in folder.iterdir() if is_version(path.name))
