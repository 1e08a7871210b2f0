"""`carousel predict`: one model's answer to a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def predict(
    model: Annotated[str, typer.Argument(help="A bundle's name.")],
    file: Annotated[
        Path, typer.Argument(help="CSV (a line a step), NPY, JSON, TXT (symbols) or WAV (8 kHz).")
    ],
    url: Annotated[str | None, typer.Option(help="Ask this server; default: load the bundle here.")] = None,
    key: Annotated[
        str | None, typer.Option(envvar="CAROUSEL_KEY", help="An API key, where the server has keys.")
    ] = None,
    models_dir: Annotated[Path, typer.Option(help="Folder of bundles.")] = Path("models"),
) -> None:
    """Predict for the sequences of a file and print a table."""
    import orjson

    from cli.answers_table import answers_table
    from cli.asking import PREDICT, Refused, ask_bundle, ask_server
    from cli.console import out
    from cli.sequence_file import UnreadableFile, read_request
    from cli.told import told
    from service.errors import CarouselError

    with told(UnreadableFile, CarouselError, Refused):
        body = orjson.dumps(read_request(file))
        answer: dict[str, Any] = (
            ask_server(url, PREDICT, model, body, key)
            if url
            else ask_bundle(models_dir, PREDICT, model, body)
        )
    out.print(answers_table(answer))
    timings = answer["timings_ms"]
    out.print(
        f"{answer['model']}/{answer['version']} on {answer['device']}, compute {timings['compute']:g} ms"
    )
