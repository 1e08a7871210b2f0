"""`carousel serve`: serve every bundle in a folder."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Annotated, Any

import typer


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    models_dir: Annotated[Path | None, typer.Option(help="Folder of bundles, <name>/<version>/.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
) -> None:
    """Serve every bundle of a folder over HTTP. Further settings: environment variables CAROUSEL_*."""
    given: dict[str, Any] = {"host": host, "port": port, "models_dir": models_dir, "log_level": log_level}
    # Next to nothing that starting makes is garbage: looking for it takes an eighth of the time.
    gc.disable()
    try:
        status = _serve({name: value for name, value in given.items() if value is not None})
    finally:
        gc.enable()
    raise typer.Exit(status)


def _serve(given: dict[str, Any]) -> int:
    from cli.banner import print_banner
    from cli.told import told
    from service.errors import InvalidSettings
    from service.server import serve as run
    from service.settings import read_settings

    with told(InvalidSettings):
        settings = read_settings(**given)
    return run(settings, print_banner)
