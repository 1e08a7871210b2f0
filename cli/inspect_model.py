"""`carousel inspect`: what a model's gates did at each step of a file, as a picture."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer


def inspect_model(
    model: Annotated[str, typer.Argument(help="A bundle's name.")],
    file: Annotated[
        Path | None, typer.Argument(help="One sequence: CSV, NPY, JSON, TXT (symbols) or WAV (8 kHz).")
    ] = None,
    text: Annotated[str | None, typer.Option(help="The sequence itself, where steps are symbols.")] = None,
    url: Annotated[str | None, typer.Option(help="Ask this server; default: load the bundle here.")] = None,
    key: Annotated[
        str | None, typer.Option(envvar="CAROUSEL_KEY", help="An API key, where the server has keys.")
    ] = None,
    models_dir: Annotated[Path, typer.Option(help="Folder of bundles.")] = Path("models"),
    units: Annotated[
        str | None, typer.Option(help="Hidden units to show, such as 0-15,40; default: all.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="The picture; default: MODEL-gates.png.")] = None,
) -> None:
    """Draw what every gate and the cell of a model did at each step of one sequence."""
    import orjson

    from cli.asking import INSPECT, Refused, ask_bundle, ask_server
    from cli.console import out
    from cli.extras import require_matplotlib
    from cli.sequence_file import UnreadableFile
    from cli.told import told
    from service.errors import CarouselError

    require_matplotlib()
    with told(UnreadableFile, CarouselError, Refused, typer.BadParameter):
        question = _question(file, text, units)
        body = orjson.dumps(question)
        answer: dict[str, Any] = (
            ask_server(url, INSPECT, model, body, key)
            if url
            else ask_bundle(models_dir, INSPECT, model, body)
        )
    from cli.gate_picture import draw

    path = output or Path(f"{model}-gates.png")
    draw(answer, question["sequence"], path)
    out.print(
        f"wrote {path}: {answer['steps']} steps of {answer['model']}/{answer['version']}; computed anew to "
        f"within {answer['largest_difference']['hidden']:.1g} of the engine",
        soft_wrap=True,
    )


def _question(file: Path | None, text: str | None, units: str | None) -> dict[str, Any]:
    from cli.sequence_file import read_request

    if (file is None) == (text is None):
        raise typer.BadParameter("give either a file or --text")
    read = {"sequence": text} if file is None else read_request(file)
    if "sequence" not in read:
        raise typer.BadParameter(f"{file}: has no field sequence: an inspection is of one sequence")
    return {"sequence": read["sequence"]} | ({} if units is None else {"units": _units(units)})


def _units(text: str) -> list[int]:
    """`0-3,7` as 0, 1, 2, 3, 7."""
    units: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d{1,5})(?:-(\d{1,5}))?\s*", part)
        if found is None:
            raise typer.BadParameter(f"--units: {part!r} is neither a number nor a range such as 0-15")
        first, last = found.groups()
        units += range(int(first), int(last or first) + 1)
    return units
