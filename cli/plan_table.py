"""What was built, a line a profile."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from service.plans.supply import Supplied
from service.repository.scanner import Bundle

_GRAPH = {True: "yes", False: "no", None: "?"}


def plan_table(supplied: Sequence[tuple[Bundle, Supplied]]) -> Table:
    """Steps and rows as least-usual-most, size, build time, and whether a CUDA graph can be captured."""
    table = Table(box=None, pad_edge=False)
    table.add_column("model", overflow="fold")
    for title in ("steps", "rows"):
        table.add_column(title, no_wrap=True)
    for title in ("bytes", "seconds"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("CUDA graph")
    table.add_column("", min_width=14)
    shown = None
    for bundle, one in supplied:
        title = f"{bundle.manifest.name}/{bundle.manifest.version}"
        table.add_row("" if title == shown else title, *_cells(one))
        shown = title
    return table


def _cells(one: Supplied) -> tuple[str, ...]:
    steps, rows = str(one.profile).split(":")
    record = one.record
    if record is None:
        return steps, rows, "", "", "", f"[red]refused[/red]: {escape(one.reason)}"
    return (
        steps,
        rows,
        f"{record.plan_bytes:,}",
        f"{record.build_seconds:.2f}",
        _GRAPH[record.is_capturable],
        f"{record.identity.route} {'cached' if one.was_cached else '[green]built[/green]'}",
    )
