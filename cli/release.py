"""`carousel release`: train, export, verify, publish."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.train import CHECKPOINTS

if TYPE_CHECKING:
    from model_export.recipe import Recipe


def release(
    names: Annotated[list[str] | None, typer.Argument(help="Bundles' names.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every bundled model.")] = False,
    from_checkpoint: Annotated[
        bool, typer.Option(help="Publish the existing checkpoint, do not train.")
    ] = False,
    models_dir: Annotated[Path, typer.Option(help="Folder the bundle is published in.")] = Path("models"),
    checkpoints: Annotated[Path, typer.Option(help="Where checkpoints are.")] = CHECKPOINTS,
    threads: Annotated[int, typer.Option(help="Threads PyTorch may use while training.")] = 2,
) -> None:
    """Rebuild bundles from their data. One that is not exact, or misses its goal, is not published."""
    from cli.extras import require_export_extra

    require_export_extra()
    from cli.console import err
    from cli.told import told
    from model_export.recipes.catalogue import UnknownRecipe, recipe, recipe_names

    chosen = recipe_names() if every else (names or [])
    if not chosen:
        err.print("name at least one bundle, or --all")
        raise typer.Exit(2)
    with told(UnknownRecipe):
        recipes = [recipe(name) for name in chosen]
    are_published = [_release(one, from_checkpoint, models_dir, checkpoints, threads) for one in recipes]
    raise typer.Exit(0 if all(are_published) else 1)


def _release(one: Recipe, from_checkpoint: bool, models_dir: Path, checkpoints: Path, threads: int) -> bool:
    from cli.console import err, out
    from cli.progress import training_bar
    from cli.quality_table import quality_table
    from cli.told import told
    from model_export.checkpoint import NoCheckpoint, load_checkpoint, save_checkpoint
    from model_export.parity import ParityFailed
    from model_export.release import release as publish
    from model_export.training_run import run_training
    from service.backends.onnxruntime_backend import OnnxRuntimeBackend

    if from_checkpoint:
        network = one.network()
        with told(NoCheckpoint):
            training = load_checkpoint(checkpoints / one.name, network)
    else:
        with training_bar(one.name) as report:
            network, training = run_training(one, "cpu", threads, report)
        save_checkpoint(checkpoints / one.name, network, training)
    out.print(quality_table(training.quality))
    if not all(quality.reaches_goal for quality in training.quality):
        err.print(f"[red]{one.name} is not published[/red]: it misses its goal")
        return False
    try:
        manifest, report_card = publish(one, network, training.quality, OnnxRuntimeBackend(), models_dir)
    except ParityFailed as failure:
        err.print(f"[red]{one.name} is not published[/red]: {failure.message}")
        return False
    out.print(
        f"published {manifest.name}/{manifest.version}: {report_card.sequences} sequences, "
        f"off the float64 reference by {report_card.reference:.2g}, batched by {report_card.batched:.2g}, "
        f"chunked by {report_card.chunked:.2g}; trained in {training.seconds:g} s"
    )
    return True
