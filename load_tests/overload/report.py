"""The tables of overload."""

from __future__ import annotations

from load_tests import goals
from load_tests.cores import CAN_YIELD
from load_tests.goals import Goal
from load_tests.overload.fate import Outcome
from load_tests.overload.figures import Share
from load_tests.overload.scenario import Overloaded, OverloadPlan
from load_tests.report import figures, out, print_goals

_PRIORITY = (
    "The client never takes a core from the server by waking up."
    if CAN_YIELD
    else "The client takes cores from the server by waking up."
)


def print_overload(plan: OverloadPlan, rounds: list[Overloaded]) -> None:
    out.print(
        f"Offered {plan.factor:g} times the peak found just before, Poisson, for {plan.seconds:g} s, timeout "
        f"{plan.timeout_s:g} s, room for {plan.max_waiting_rows} sequences in the queue.\n"
        f"Server on {_cores(plan.core)}. The peak is the mean of that before and that after, each of "
        f"{plan.peak_callers} callers in a closed loop.\n{_PRIORITY}\n"
    )
    _print_rounds(rounds)
    typical = sorted(rounds, key=lambda each: each.goodput)[(len(rounds) - 1) // 2]
    _print_round(rounds.index(typical) + 1, typical)
    _print_outcomes(rounds)
    print_goals(
        [
            (goals.LOST, sum(each.wrong for each in rounds)),
            (goals.GOODPUT, typical.goodput),
            (
                Goal("p99 of the answered, the worst", plan.timeout_s * 1e3, "ms"),
                max(each.together.p99_ms for each in rounds),
            ),
            (goals.URGENT_SHARE, min(each.urgent.served for each in rounds)),
        ]
    )


def _print_rounds(rounds: list[Overloaded]) -> None:
    """A step's time in brackets is that at the peak before."""
    table = figures(
        "round", "peak before/s", "after/s", "answered/s", "of peak", "engine at work", "in vain", "us a step"
    )
    for number, each in enumerate(rounds, start=1):
        before_per_s, after_per_s = each.peaks_per_s
        table.add_row(
            f"{number}",
            f"{before_per_s:,.0f}",
            f"{after_per_s:,.0f}",
            f"{each.together.answered_per_s:,.0f}",
            f"{each.goodput:.2f}",
            f"{each.work.busy:.0%}",
            f"{1 - each.useful:.1%}",
            f"{each.work.step_us:.1f} ({each.peak_work.step_us:.1f})",
        )
    out.print(table)


def _print_round(number: int, result: Overloaded) -> None:
    out.print(
        f"\nRound {number}, the median: {result.server_cores:.2f} cores in use by the server, "
        f"{result.client_cores:.2f} by the client, late by {result.late_p99_ms:.1f} ms (p99).\n"
    )
    table = figures("requests", "asked/s", "answered/s", "of asked", "p50 ms", "p99 ms")
    for name, share in (("all", result.together), ("priority 1", result.urgent), ("others", result.others)):
        table.add_row(name, *_row(share))
    out.print(table)
    _print_retries(result)


def _row(share: Share) -> tuple[str, ...]:
    rates, latencies = (share.asked_per_s, share.answered_per_s), (share.p50_ms, share.p99_ms)
    return (*(f"{rate:,.0f}" for rate in rates), f"{share.served:.1%}", *(f"{ms:,.0f}" for ms in latencies))


def _print_outcomes(rounds: list[Overloaded]) -> None:
    table = figures("outcome", "requests of all rounds")
    for outcome in Outcome:
        table.add_row(outcome.value, f"{sum(each.outcomes.get(outcome, 0) for each in rounds):,}")
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
