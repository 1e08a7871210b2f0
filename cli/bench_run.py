"""`carousel bench` at work: bundles in, a report in a folder out."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from cli.bench import OUTCOME
from cli.bench_options import Options
from cli.build import chosen_bundles
from cli.console import err
from load_tests.engines.bounds import Bounds, free_bytes
from load_tests.engines.comparing import OnBatch
from load_tests.engines.contender import Field
from load_tests.engines.field import field_of
from load_tests.engines.outcome import Outcome, write_outcome
from load_tests.engines.running import Comparison, blank_outcome, grid_of
from service.plans.driver import Gpu, find_gpu
from service.repository.golden import read_golden
from service.repository.scanner import Bundle, read_bundle
from service.settings import Settings

REPORTS = Path("load_tests/reports")


def compare_engines(options: Options) -> tuple[Outcome, Path]:
    """Compare, and keep what is there after every model; the outcome and the folder it is in."""
    device = find_gpu()
    field = field_of(Settings(), options.precisions, device)
    folder = _folder(options, "gpu" if isinstance(device, Gpu) else "cpu")
    blank = blank_outcome(device, field, options.told())
    with tempfile.TemporaryDirectory() as scratch, _bar() as on_model:
        bundles = [*chosen_bundles(options.models_dir, list(options.names))] if options.names else []
        runs = [
            (bundle, grid_of(options.most_rows, options.lengths, read_golden(bundle.folder)))
            for bundle in [*bundles, *_untrained(options, Path(scratch))]
        ]
        bounds = Bounds(options.seconds, free_bytes(), options.repeats)
        comparison = Comparison(runs, field, bounds)
        outcome = comparison.compare(blank, time.perf_counter, on_model, lambda so_far: _keep(folder, so_far))
    return outcome, folder


def time_trainings(options: Options) -> tuple[Outcome, Path]:
    """Time the recipes of the bundles named, on each device; nothing is trained to the end or kept."""
    from cli.extras import require_export_extra

    require_export_extra()
    from load_tests.engines.training_speed import time_training, training_devices
    from model_export.recipes.catalogue import UnknownRecipe, recipe

    try:
        recipes = [recipe(name) for name in options.names]
    except UnknownRecipe as failure:
        raise ValueError(str(failure)) from None
    device, cores = find_gpu(), len(os.sched_getaffinity(0))
    folder = _folder(options, "training")
    outcome = blank_outcome(device, Field(()), options.told())
    for one in recipes:
        for where in training_devices():
            timed = time_training(one, where, cores, options.seconds, time.perf_counter)
            outcome = outcome.model_copy(update={"trainings": (*outcome.trainings, timed)})
            _keep(folder, outcome)
    return outcome, folder


def _folder(options: Options, what: str) -> Path:
    return options.output or REPORTS / f"{what}-{datetime.now(UTC):%Y-%m-%d}"


def _keep(folder: Path, outcome: Outcome) -> None:
    write_outcome(folder / OUTCOME, outcome)


def _untrained(options: Options, scratch: Path) -> list[Bundle]:
    if not options.hidden:
        return []
    from cli.extras import require_plan_extra

    require_plan_extra()
    from load_tests.untrained_bundle import LstmSize, write_untrained_bundle

    return [
        read_bundle(
            write_untrained_bundle(
                scratch, f"lstm-{layers}x{hidden}", LstmSize(hidden, layers, options.features)
            )
        )
        for layers in options.layers
        for hidden in options.hidden
    ]


@contextmanager
def _bar() -> Iterator[Callable[[str], OnBatch]]:
    """A bar on standard error; each model starts it anew."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("", total=1.0, note="")

        def on_model(name: str) -> OnBatch:
            bar.update(task, description=name, completed=0.0, note="loading")

            def on_batch(rows: int, steps: int, share: float) -> None:
                bar.update(task, completed=share, note=f"{rows} rows of {steps} steps")

            return on_batch

        yield on_model
