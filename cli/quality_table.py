"""A model's figures beside what they are compared with."""

from __future__ import annotations

from rich.table import Table

from service.repository.manifest import Quality


def quality_table(qualities: tuple[Quality, ...]) -> Table:
    """One line per figure: reached, goal, references."""
    table = Table("sealed test set", "reached", "goal", "to compare", box=None, pad_edge=False)
    for quality in qualities:
        colour = "green" if quality.reaches_goal else "red"
        sign = ">=" if quality.better == "higher" else "<="
        references = ", ".join(f"{name} {value:g}" for name, value in quality.references.items())
        reached = f"[{colour}]{quality.value:g}[/{colour}] {quality.unit}"
        table.add_row(quality.metric, reached, f"{sign} {quality.goal:g}", references)
    return table
