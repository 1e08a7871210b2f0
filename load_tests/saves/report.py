"""The table of what saving costs."""

from __future__ import annotations

from load_tests.report import figures, out
from load_tests.saves.measured import Saving


def print_saves(store: str, measured: list[Saving]) -> None:
    table = figures("streams", "saved", "steps/s", "share", "p50 ms", "p99 ms", "CPU us a step")
    for each in measured:
        table.add_row(
            f"{each.sessions:,}",
            each.way,
            f"{each.steps_per_s:,.0f}",
            f"{each.share:.2f}",
            f"{each.p50_ms:.2f}",
            f"{each.p99_ms:.2f}",
            f"{each.cpu_us_per_step:.0f}",
        )
    out.print(table)
    out.print(
        f"\nStore: {store}. Each stream sends its next step when it has the answer to the last; no HTTP.\n"
    )
