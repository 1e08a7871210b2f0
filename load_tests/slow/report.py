"""The table of slow and hostile clients."""

from __future__ import annotations

from load_tests import goals
from load_tests.report import figures, out, print_goals
from load_tests.slow.scenario import Slow, SlowPlan
from load_tests.tally import Summary


def print_slow(plan: SlowPlan, result: Slow) -> None:
    table = figures("beside", "answers/s", "p50 ms", "p99 ms", "errors", "server MiB", "ended")
    table.add_row("nobody", *_latencies(result.alone), f"{result.resident_mib:.0f}", "")
    for each in result.attacked:
        ends = ", ".join(f"{count} x {end}" for end, count in each.ends.most_common())
        table.add_row(each.name, *_latencies(each.good), f"{each.resident_mib:.0f}", ends)
    out.print(table)
    out.print(
        f"\nFour good clients in a closed loop for {plan.seconds:g} s beside each attack, which has a "
        f"process of its own.\nThe server gives headers, bodies and readers {plan.limit_s:g} s. MiB: "
        "resident when the attack was over.\nThe attackers' own work is on the same cores."
    )
    print_goals([(goals.LOST, result.lost), (goals.NEIGHBOUR_P99, result.worst_p99)])


def _latencies(summary: Summary) -> tuple[str, ...]:
    rates = (summary.requests_per_s, summary.p50_ms, summary.p99_ms)
    return (f"{rates[0]:,.0f}", f"{rates[1]:.2f}", f"{rates[2]:.2f}", str(summary.error_count))
