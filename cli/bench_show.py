"""What `carousel bench` shows of a comparison: tables, remarks, pictures."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from load_tests.engines.outcome import Outcome, Verdict
from load_tests.engines.tables import model_tables, remarks, styled, training_table
from load_tests.report import out


def show(outcome: Outcome, folder: Path) -> bool:
    """Print all of it and draw it into the folder; False where an engine answered wrongly."""
    _print_origin(out, outcome)
    for model in outcome.models:
        for title, table in model_tables(model):
            out.print(f"\n[bold]{escape(title)}[/bold]")
            out.print(table)
    if outcome.trainings:
        out.print(training_table(outcome.trainings))
    out.print()
    for remark in remarks(outcome):
        out.print(styled(remark))
    out.print(f"\n{_pictures(outcome, folder)}", markup=False)
    return not any(one.verdict is Verdict.WRONG for model in outcome.models for one in model.unmeasured)


def _print_origin(console: Console, outcome: Outcome) -> None:
    facts = ", ".join(f"{name}: {value}" for name, value in outcome.machine.items())
    console.print(f"{outcome.started}, commit {outcome.commit}", markup=False)
    console.print(facts, markup=False)
    if not outcome.models:
        return
    if "gpu" not in outcome.machine:
        console.print("There is no GPU here: what is compared are settings of the CPU engine.")
    console.print(
        "Host to host unless it says device. Other work on the machine makes all times longer: "
        "ratios were measured in turn."
    )


def _pictures(outcome: Outcome, folder: Path) -> str:
    if find_spec("matplotlib") is None:
        return f"report in {folder}; for pictures: pip install -e '.[export]' in the clone"
    from load_tests.engines.plots import draw

    pictures = draw(outcome, folder)
    return f"report in {folder}" + "".join(f", {picture.name}" for picture in pictures)
