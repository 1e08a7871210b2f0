"""How commands fail: one sentence and exit status 1."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer


@contextmanager
def told(*failures: type[Exception]) -> Iterator[None]:
    """Expected failures end the command with their message instead of a traceback."""
    try:
        yield
    except failures as failure:
        # Takes as long to import as half of what a server is made of.
        from rich.markup import escape

        from cli.console import err

        err.print(f"[red]error[/red]: {escape(str(failure))}", soft_wrap=True)
        raise typer.Exit(1) from None
