"""`carousel export`: a checkpoint as ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.train import CHECKPOINTS


def export(
    name: Annotated[str, typer.Argument(help="A bundle's name; it must have been trained.")],
    output: Annotated[
        Path | None, typer.Option(help="The file to write; default: beside the checkpoint.")
    ] = None,
    checkpoints: Annotated[Path, typer.Option(help="Where checkpoints are.")] = CHECKPOINTS,
) -> None:
    """Write a checkpoint as ONNX, in the sequence-graph contract. `release` also verifies and publishes."""
    from cli.extras import require_export_extra

    require_export_extra()
    from cli.console import out
    from cli.told import told
    from model_export.checkpoint import NoCheckpoint, load_checkpoint
    from model_export.onnx_exporter import export_onnx
    from model_export.onnx_file import write_onnx
    from model_export.recipes.catalogue import UnknownRecipe, recipe

    with told(UnknownRecipe, NoCheckpoint):
        chosen = recipe(name)
        network = chosen.network()
        load_checkpoint(checkpoints / name, network)
    model = export_onnx(network, chosen.card(), name)
    path = output or checkpoints / name / "model.onnx"
    write_onnx(model, path)
    for value in (*model.graph.input, *model.graph.output):
        dimensions = [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        out.print(f"  {value.name:<10} {dimensions}", markup=False)
    out.print(f"wrote {path}, {path.stat().st_size:,} bytes")
