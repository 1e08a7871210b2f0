"""What every report has: the machine, plain tables, and a JSON file where one is asked for."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from load_tests.goals import Goal
from load_tests.machine import Machine

# Wide enough for every table, also where the output is a file.
out = Console(highlight=False, soft_wrap=True, width=120)


def figures(*columns: str) -> Table:
    """An empty table: words to the left, numbers to the right."""
    table = Table(box=None, pad_edge=False)
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right", overflow="fold")
    return table


def print_machine(machine: Machine) -> None:
    out.print(f"{machine}.")
    out.print("Other work on the machine makes absolute times longer; ratios are measured side by side.\n")


def print_goals(reached: list[tuple[Goal, float]]) -> None:
    table = figures("goal", "reached", "set", "")
    for goal, figure in reached:
        table.add_row(*goal.row(figure))
    out.print()
    out.print(table)


def write_json(path: Path, machine: Machine, results: Any) -> None:
    """Every figure, unrounded, with the machine it belongs to."""
    path.write_bytes(
        orjson.dumps({"machine": asdict(machine), "results": results}, option=orjson.OPT_INDENT_2)
    )
