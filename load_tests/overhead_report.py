"""The table of what the server costs beside a bare one."""

from __future__ import annotations

import statistics

from rich.table import Table

from load_tests import goals
from load_tests.overhead import BARE, PREDICT, V2, Overhead, OverheadPlan
from load_tests.report import figures, out, print_goals
from load_tests.workloads import W1


def print_overhead(plan: OverheadPlan, result: Overhead) -> None:
    table = figures(
        "target", "connections", "requests/s", "CPU ms/request", "p50 ms", "CPU / bare", "p50 / bare"
    )
    for connections in plan.connections:
        for target in (BARE, PREDICT, V2):
            _add_row(table, result, target, connections)
    out.print(table)
    out.print(
        f"\n{plan.workload.name}; medians of {plan.rounds} alternating rounds; {result.error_count} errors."
    )
    print_goals(_reached(plan, result))


def _add_row(table: Table, result: Overhead, target: str, connections: int) -> None:
    cpu_ms, p50_ms = (result.median(target, connections, of) for of in ("cpu_ms", "p50_ms"))
    bare_cpu_ms, bare_p50_ms = (result.median(BARE, connections, of) for of in ("cpu_ms", "p50_ms"))
    table.add_row(
        target,
        str(connections),
        f"{result.median(target, connections, 'requests_per_s'):,.0f}",
        f"{cpu_ms:.4f}",
        f"{p50_ms:.3f}",
        f"{cpu_ms / bare_cpu_ms:.2f}",
        f"{p50_ms / bare_p50_ms:.2f}",
    )


def _reached(plan: OverheadPlan, result: Overhead) -> list[tuple[goals.Goal, float]]:
    reached = [
        (goals.FIRST_ANSWER_S, statistics.median(result.first_answers_s)),
        (goals.RESIDENT_MIB, statistics.median(result.resident_mib)),
    ]
    if plan.workload is W1 and {1, 64} <= set(plan.connections):
        reached.append((goals.CPU_MS, result.median(PREDICT, 64, "cpu_ms")))
        reached.append((goals.LONE_P50_MS, result.median(PREDICT, 1, "p50_ms")))
    return reached
