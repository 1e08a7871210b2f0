"""The comparison of where states rest, as a table."""

from __future__ import annotations

from collections.abc import Sequence

from load_tests.report import figures, out
from load_tests.states.ticks import TickFigures


def print_states(found: Sequence[TickFigures]) -> None:
    table = figures("streams", "steps a tick", "host us", "device us", "host / device", "largest difference")
    for one in found:
        table.add_row(
            f"{one.rows:,}",
            str(one.steps),
            f"{1e6 * one.host_s:,.0f}",
            f"{1e6 * one.device_s:,.0f}",
            f"{one.host_s / one.device_s:.2f}",
            f"{one.largest_difference:.1e}",
        )
    out.print("A tick, from its forming to its states at rest: median.")
    out.print(table)
