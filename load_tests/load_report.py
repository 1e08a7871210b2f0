"""The table of a load against a running server."""

from __future__ import annotations

from load_tests.report import figures, out
from load_tests.running_server import Load


def print_loads(loads: list[Load]) -> None:
    table = figures("workload", "connections", "requests/s", "p50 ms", "p90 ms", "p99 ms", "errors")
    for load in loads:
        summary = load.summary
        table.add_row(
            load.workload,
            str(load.connections),
            f"{summary.requests_per_s:,.0f}",
            *(f"{latency_ms:.2f}" for latency_ms in (summary.p50_ms, summary.p90_ms, summary.p99_ms)),
            ", ".join(f"{count} x {kind}" for kind, count in summary.errors.items()) or "0",
        )
    out.print(table)
