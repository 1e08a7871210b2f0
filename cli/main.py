"""`carousel`: serve, ask, look, train, publish."""

from __future__ import annotations

import typer

from cli import (
    bench,
    build,
    doctor,
    export,
    import_model,
    inspect_model,
    key,
    models,
    predict,
    release,
    serve,
    train,
)

app = typer.Typer(
    help="An inference server for LSTMs: train, export, verify, serve.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for command in (serve, predict, models, build, doctor, bench, train, export, release, key):
    app.command()(getattr(command, command.__name__.rpartition(".")[2]))
app.command("import")(import_model.import_model)
app.command("inspect")(inspect_model.inspect_model)
