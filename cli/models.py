"""`carousel models`: what is in a folder of bundles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_WIDEST = 1000


def models(
    models_dir: Annotated[Path, typer.Option(help="Folder of bundles, <name>/<version>/.")] = Path("models"),
) -> None:
    """List the bundles of a folder with what they take, give and reach; verifies every file."""
    from rich.table import Table

    from cli.console import err, out
    from cli.told import told
    from service.errors import InvalidBundle
    from service.repository.scanner import bundle_folders, read_bundle

    table = Table(box=None, pad_edge=False)
    for title in ("model", "kind", "task", "step"):
        # A name that is cut off cannot be asked for.
        table.add_column(title, no_wrap=True)
    table.add_column("measured on sealed test data")
    is_sound = True
    with told(InvalidBundle):
        folders = list(bundle_folders(models_dir))
    for folder in folders:
        try:
            manifest = read_bundle(folder).manifest
        except InvalidBundle as failure:
            err.print(f"[red]refused[/red]: {failure.message}")
            is_sound = False
            continue
        quality = ", ".join(f"{q.metric} {q.value:g} {q.unit}" for q in manifest.quality)
        step = "symbol" if manifest.step.symbols else " x ".join(map(str, manifest.step.shape))
        table.add_row(f"{manifest.name}/{manifest.version}", manifest.kind, manifest.task, step, quality)
    least = out.measure(table, options=out.options.update(max_width=_WIDEST)).minimum
    out.width = max(out.width, least)
    out.print(table)
    raise typer.Exit(0 if is_sound else 1)
