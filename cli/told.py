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
        # A server's start is not to wait while rich is imported.
        from rich.markup import escape

        from cli.console import err

        err.print(f"[red]error[/red]: {escape(str(failure))}", soft_wrap=True)
        raise typer.Exit(1) from None
