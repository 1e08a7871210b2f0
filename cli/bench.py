"""`carousel bench`: every engine of this machine side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

OUTCOME = "comparison.json"


def bench(
    names: Annotated[
        list[str] | None, typer.Argument(help="Bundles' names; the latest version of each.")
    ] = None,
    hidden: Annotated[
        str, typer.Option(help="Also untrained LSTMs of so many cells, as 128,256,512,1024.")
    ] = "",
    layers: Annotated[str, typer.Option(help="Layers of the untrained LSTMs, as 1,2.")] = "1",
    features: Annotated[int, typer.Option(min=1, help="Numbers in a step of the untrained LSTMs.")] = 128,
    lengths: Annotated[
        str, typer.Option(help="Steps, as 1,16,64,256. Default: a bundle's own, else these.")
    ] = "",
    most_rows: Annotated[int, typer.Option(min=1, help="Batches of 1, 2, 4, ... up to so many rows.")] = 8192,
    precision: Annotated[str, typer.Option(help="What GPU engines compute in.")] = "fp32,fp16,bf16",
    seconds: Annotated[
        float, typer.Option(min=0.05, help="Most time for one setting of an engine on one batch.")
    ] = 3.0,
    repeats: Annotated[int, typer.Option(min=3, help="Samples of each, taken in turn.")] = 9,
    training: Annotated[bool, typer.Option(help="Time the bundles' training instead.")] = False,
    redraw: Annotated[
        Path | None, typer.Option(help=f"Show and draw a {OUTCOME} again; nothing is run.")
    ] = None,
    models_dir: Annotated[Path, typer.Option(help="Folder of bundles.", envvar="CAROUSEL_MODELS_DIR")] = Path(
        "models"
    ),
    output: Annotated[
        Path | None, typer.Option(help="Where the report goes. Default: load_tests/reports/<cpu|gpu>-<date>.")
    ] = None,
) -> None:
    """Compare engines over batch, length and precision; exit status 1 if one answered wrongly."""
    from cli.bench_options import Options, numbers, precisions
    from cli.bench_run import compare_engines, time_trainings
    from cli.bench_show import show
    from cli.console import err
    from cli.told import told
    from load_tests.engines.outcome import read_outcome
    from service.errors import CarouselError

    if not (names or hidden or redraw):
        err.print("name at least one bundle, or give --hidden")
        raise typer.Exit(2)
    with told(CarouselError, ValueError, OSError):
        if redraw:
            outcome, folder = read_outcome(redraw), output or redraw.parent
        else:
            options = Options(
                names=tuple(names or ()),
                hidden=numbers("--hidden", hidden),
                layers=numbers("--layers", layers),
                features=features,
                lengths=numbers("--lengths", lengths),
                most_rows=most_rows,
                precisions=precisions(precision),
                seconds=seconds,
                repeats=repeats,
                models_dir=models_dir,
                output=output,
            )
            outcome, folder = (time_trainings if training else compare_engines)(options)
        is_right = show(outcome, folder)
    raise typer.Exit(0 if is_right else 1)
