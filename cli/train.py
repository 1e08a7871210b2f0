"""`carousel train`: train one of the bundled models, or the memory experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

CHECKPOINTS = Path("checkpoints")
MEMORY_TASK = "memory-task"


def train(
    name: Annotated[str, typer.Argument(help="A bundle's name, or memory-task.")],
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    threads: Annotated[
        int, typer.Option(help="Threads PyTorch may use; part of what makes a run repeatable.")
    ] = 2,
    checkpoints: Annotated[Path, typer.Option(help="Where checkpoints go.")] = CHECKPOINTS,
) -> None:
    """Train a model on its data, score it once on the sealed test set, and keep the checkpoint."""
    from cli.extras import require_export_extra

    require_export_extra()
    from cli.console import out
    from cli.quality_table import quality_table
    from cli.told import told
    from model_export.checkpoint import save_checkpoint
    from model_export.recipes.catalogue import UnknownRecipe, recipe
    from model_export.training_run import run_training

    if name == MEMORY_TASK:
        from cli.memory_task import memory_task

        memory_task()
        return

    from cli.progress import training_bar

    with told(UnknownRecipe):
        chosen = recipe(name)
    with training_bar(name) as report:
        network, training = run_training(chosen, device, threads, report)
    save_checkpoint(checkpoints / name, network, training)
    out.print(quality_table(training.quality))
    out.print(f"trained in {training.seconds:g} s on {device}; checkpoint in {checkpoints / name}")
    raise typer.Exit(0 if all(quality.reaches_goal for quality in training.quality) else 1)
