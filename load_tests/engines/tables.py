"""The comparison as tables at a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.markup import escape
from rich.table import Table

from load_tests.engines.outcome import ModelOutcome, Outcome, TrainingOutcome, Unmeasured, Verdict
from load_tests.engines.standing import Curve, Standings, standings_of
from load_tests.report import figures

_HOST = (
    "engine",
    "best\nrows",
    "seq/s",
    "± %",
    "x best\nCPU",
    "x CPU\nalone",
    "µs/step",
    "host ms",
    "alone\nms",
)
_DEVICE = ("device\nms", "device x\nbest CPU")


def model_tables(model: ModelOutcome) -> Iterator[tuple[str, Table]]:
    """A title and a table for each length: every engine at its own best batch, the fastest first.

    Host to host, beside it what the device alone does at its best batch, where an engine can tell.
    """
    for standings in standings_of(model):
        has_device = any(curve.best_on_device for curve in standings.curves)
        table = figures(*_HOST, *(_DEVICE if has_device else ()))
        for column in table.columns:
            column.no_wrap = True
        for curve in sorted(standings.curves, key=lambda one: -one.best.rate):
            table.add_row(*_on_host(standings, curve), *(_on_device(standings, curve) if has_device else ()))
        yield f"{model.name}, {standings.steps} step{'s' * (standings.steps > 1)}", table


def _on_host(standings: Standings, curve: Curve) -> tuple[str, ...]:
    best = curve.best
    return (
        curve.label,
        f"{best.rows:,}",
        f"{best.rate:,.0f}",
        f"{best.spread * 100:.0f}",
        _times(standings.ratio(best.rate)),
        _times(standings.ratio_to_alone(best.rate)),
        f"{best.median_s / best.steps * 1e6:,.2f}",
        f"{best.median_s * 1e3:,.3f}",
        f"{curve.alone.median_s * 1e3:,.3f}" if curve.alone else "",
    )


def _on_device(standings: Standings, curve: Curve) -> tuple[str, ...]:
    best = curve.best_on_device
    if best is None or best.median_device_s is None:
        return "", ""
    return f"{best.median_device_s * 1e3:,.3f}", _times(standings.ratio(best.device_rate))


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}" if ratio < 10 else f"{ratio:,.0f}"


def training_table(trainings: tuple[TrainingOutcome, ...]) -> Table:
    """Steps of the optimiser per second, and what a whole training would take at that rate."""
    table = figures("training", "device", "threads", "steps/s", "x CPU", "whole training, s")
    cpu = {one.recipe: one.median_s for one in trainings if one.device == "cpu"}
    for one in trainings:
        ratio = cpu[one.recipe] / one.median_s if one.recipe in cpu else None
        table.add_row(
            one.recipe,
            one.device,
            str(one.threads),
            f"{1 / one.median_s:,.1f}",
            _times(ratio),
            f"{one.median_s * one.steps:,.0f}",
        )
    return table


def remarks(outcome: Outcome) -> Iterator[str]:
    """What has no figure, and why: engines not here, bundles refused, wrong answers, what was skipped."""
    for one in outcome.absent:
        yield f"not here: {one.name}: {one.reason}"
    for model in outcome.models:
        for refused in model.refused:
            yield f"{model.name}: refused: {refused.name}: {refused.reason}"
        for missing in model.unmeasured:
            yield f"{model.name}: {_worded(missing)}"


def _worded(missing: Unmeasured) -> str:
    more = "" if missing.verdict is Verdict.WRONG else " and more"
    ran = f"{missing.ran.engine} {missing.ran.precision}, {missing.ran.setting}"
    return f"{missing.verdict}: {ran}: {missing.rows:,} rows{more} of {missing.steps} steps: {missing.reason}"


def styled(remark: str) -> str:
    """A wrong answer must not be overlooked."""
    text = escape(remark)
    return f"[red]{text}[/red]" if f" {Verdict.WRONG}: " in remark else text
