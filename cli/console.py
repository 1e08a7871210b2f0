"""Where the commands write, and how they fail: one sentence and exit status 1."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.markup import escape

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


@contextmanager
def told(*failures: type[Exception]) -> Iterator[None]:
    """Expected failures end the command with their message instead of a traceback."""
    try:
        yield
    except failures as failure:
        err.print(f"[red]error[/red]: {escape(str(failure))}", soft_wrap=True)
        raise typer.Exit(1) from None
