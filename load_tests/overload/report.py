"""The tables of overload."""

from __future__ import annotations

from load_tests import goals
from load_tests.goals import Goal
from load_tests.overload.fate import Outcome
from load_tests.overload.figures import Share
from load_tests.overload.scenario import Overloaded, OverloadPlan
from load_tests.report import figures, out, print_goals


def print_overload(plan: OverloadPlan, result: Overloaded) -> None:
    before_per_s, after_per_s = result.peaks_per_s
    out.print(
        f"Peak, closed loop: {before_per_s:,.0f} answers/s before, {after_per_s:,.0f} after; the goal is of "
        f"their mean. Offered {plan.factor:g} times\nthe first, Poisson, for {plan.seconds:g} s, "
        f"timeout {plan.timeout_s:g} s, room for "
        f"{plan.max_waiting_rows} sequences in the queue. Server on {_cores(plan.core)}: "
        f"{result.server_cores:.2f} cores in use;\nclient "
        f"{result.client_cores:.2f}, late by {result.late_p99_ms:.1f} ms (p99).\n"
        f"The engine was at work {result.work.busy:.0%} of the time; {result.useful:.1%} of its steps were "
        f"answered; a step of a row took\n{result.work.step_us:.1f} us, and at the peak before "
        f"{result.peak_work.step_us:.1f}.\n"
    )
    table = figures("requests", "asked/s", "answered/s", "p50 ms", "p99 ms")
    for name, share in (("all", result.together), ("priority 1", result.urgent), ("others", result.others)):
        table.add_row(name, *_row(share))
    out.print(table)
    _print_outcomes(result)
    _print_retries(result)
    print_goals(
        [
            (goals.LOST, result.wrong),
            (goals.GOODPUT, result.goodput),
            (Goal("p99 of the answered", plan.timeout_s * 1e3, "ms"), result.together.p99_ms),
            (goals.URGENT_SHARE, result.urgent.answered_per_s / max(result.urgent.asked_per_s, 1e-9)),
        ]
    )


def _row(share: Share) -> tuple[str, ...]:
    rates = (share.asked_per_s, share.answered_per_s, share.p50_ms, share.p99_ms)
    return tuple(f"{rate:,.0f}" for rate in rates)


def _print_outcomes(result: Overloaded) -> None:
    table = figures("outcome", "requests")
    for outcome in Outcome:
        table.add_row(outcome.value, f"{result.outcomes.get(outcome, 0):,}")
    out.print()
    out.print(table)


def _print_retries(result: Overloaded) -> None:
    retry = result.retry
    out.print(
        f"\nWait foretold by {retry.refusals:,} refusals over the true one: median {retry.p50:.2f}, "
        f"a tenth below {retry.p10:.2f}, a tenth above {retry.p90:.2f}.\nTrue: until "
        "the last request that was let in before the refusal was answered. Foretold: Retry-After-Ms, and for "
        "a deadline\n"
        f"out of reach the caller's own timeout before it. Of {retry.retries:,} who came back once when "
        f"told, {retry.retries_let_in:,} were let in, under the same overload."
    )


def _cores(core: int | None) -> str:
    return "all cores" if core is None else f"core {core}, client on the others"
