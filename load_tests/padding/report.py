"""The tables of the scheduler beside padding."""

from __future__ import annotations

from load_tests import goals
from load_tests.padding.comparison import (
    ALONE,
    ARRIVAL,
    AT_ONCE,
    BARE,
    CLOSED_LOOP,
    ORACLE,
    WHOLE_AT_ONCE,
    WHOLE_CLOSED_LOOP,
    TraceResult,
)
from load_tests.report import figures, out, print_goals

_RIVALS = (ALONE, ARRIVAL, ORACLE, BARE)
_SCHEDULER = (WHOLE_AT_ONCE, WHOLE_CLOSED_LOOP, AT_ONCE, CLOSED_LOOP)


def print_padding(model: str, rounds: int, results: list[TraceResult]) -> None:
    table = figures("trace (mean steps)", *_RIVALS, *_SCHEDULER)
    for result in results:
        costs = (f"{result.cpu_ms[way]:.4f}" for way in (*_RIVALS, *_SCHEDULER))
        table.add_row(f"{result.trace} ({result.mean_steps:.0f})", *costs)
    out.print(table)
    out.print(f"\nModel {model}: process CPU ms per sequence; medians of {rounds} alternating rounds.\n")
    _print_ratios(results)
    _print_bound(results)
    _print_efficiency(results)
    off = max(result.largest_difference for result in results)
    out.print(f"\nLargest difference of any answer from the one given alone: {off:.2g}.")
    against_arrival = [(goals.AGAINST_ARRIVAL[r.trace], r.ratio(ARRIVAL, AT_ONCE)) for r in results]
    against_alone = min(result.ratio(ALONE, way) for result in results for way in (AT_ONCE, CLOSED_LOOP))
    efficiency = [(goals.EFFICIENCY[r.trace], r.efficiency[AT_ONCE]) for r in results]
    print_goals([*against_arrival, (goals.AGAINST_ALONE, against_alone), *efficiency])


def _print_efficiency(results: list[TraceResult]) -> None:
    out.print("\nEfficiency: steps of sequences in all steps that were run, padding included.\n")
    table = figures("trace", *_SCHEDULER)
    for result in results:
        table.add_row(result.trace, *(f"{result.efficiency[way]:.3f}" for way in _SCHEDULER))
    out.print(table)


def _print_bound(results: list[TraceResult]) -> None:
    bounds = ", ".join(f"{result.arrival_steps:.2f} ({result.trace})" for result in results)
    out.print(
        f"\nBatches in arrival order run {bounds} steps for each of a sequence's own: so many times "
        "cheaper is\nwho pads nothing, whose steps cost no less, and to whom nothing else costs anything.\n"
        "The bare loop cuts sequences into ticks and does nothing else: no arrivals, deadlines, metrics."
    )


def _print_ratios(results: list[TraceResult]) -> None:
    table = figures("how many times cheaper than", *_RIVALS)
    for way in (BARE, *_SCHEDULER):
        for result in results:
            ratios = (f"{result.ratio(rival, way):.2f}" for rival in _RIVALS)
            table.add_row(f"{way}: {result.trace}", *ratios)
    out.print(table)
