"""The tables of the carousel."""

from __future__ import annotations

from load_tests import goals
from load_tests.carousel.measured import LONG, SHORT, Measured
from load_tests.carousel.streamed import Streamed
from load_tests.report import figures, out, print_goals


def print_carousel(measured: Measured) -> None:
    streams = figures("streams", "steps/s", "p50 ms", "p99 ms", "rows a tick", "CPU us a step")
    for each in measured.stepping:
        streams.add_row(
            f"{each.sessions:,}",
            f"{each.steps_per_s:,.0f}",
            f"{each.p50_ms:.2f}",
            f"{each.p99_ms:.2f}",
            f"{each.rows_per_tick:.1f}",
            f"{each.cpu_us_per_step:.1f}",
        )
    out.print(streams)
    out.print("\nEach stream sends its next step when it has the answer to the last; without HTTP.\n")
    heads = figures(f"{SHORT} steps", "alone p99 ms", f"beside {LONG:,}: p50 ms", "p99 ms")
    for head in measured.head_of_line:
        row = (head.alone_p99_ms, head.beside_p50_ms, head.beside_p99_ms)
        heads.add_row(head.way, *(f"{figure:.2f}" for figure in row))
    out.print(heads)
    print_goals([(goals.HEAD_OF_LINE, measured.gain)])


def print_streamed(streamed: list[Streamed]) -> None:
    """Nothing where nothing was measured."""
    if not streamed:
        return
    table = figures("over WebSockets", "steps/s", "p50 ms", "p99 ms", "server CPU us a step")
    for each in streamed:
        times = (f"{each.p50_ms:.2f}", f"{each.p99_ms:.2f}", f"{each.server_cpu_us_per_step:.1f}")
        table.add_row(f"{each.streams:,}", f"{each.steps_per_s:,.0f}", *times)
    out.print()
    out.print(table)
    out.print("\nOne step of one row a frame, in bytes, against a server in a process of its own.")
