"""A progress bar for training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from cli.console import err
from model_export.recipe import Progress as Report


@contextmanager
def training_bar(name: str) -> Iterator[Report]:
    """A bar on standard error, fed by the trainer."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=err) as bar:
        task = bar.add_task(name, total=None, note="")

        def report(step: int, steps: int, loss: float, note: str) -> None:
            bar.update(task, completed=step, total=steps, note=f"loss {loss:.4f}  {note}")

        yield report
