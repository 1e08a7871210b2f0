"""`carousel train memory-task`: the textbook claim about LSTMs, reproduced."""

from __future__ import annotations

from pathlib import Path

import typer

from cli.console import out
from cli.progress import training_bar

_PLOT = Path("docs/memory_task.png")
# A tenth of the error of always answering the mean: whoever is below has found both numbers.
_SOLVED = 0.1


def memory_task() -> None:
    """Train both networks, print their errors beside the mean's, and draw the curves."""
    from model_export.memory_task import plot, run

    with training_bar("memory task") as report:
        result = run(report)
    out.print(f"adding two numbers met in {result.steps} steps, {result.hidden} hidden units")
    for curve in (result.lstm, result.rnn):
        is_solved = curve.final_error < _SOLVED * result.mean_error
        out.print(f"  {curve.name:<24} {curve.final_error:.5f}  {'solved' if is_solved else 'not solved'}")
    out.print(f"  {'always the mean':<24} {result.mean_error:.5f}")
    _PLOT.parent.mkdir(exist_ok=True)
    plot(result, _PLOT)
    out.print(f"wrote {_PLOT}")
    lstm_solves = result.lstm.final_error < _SOLVED * result.mean_error
    rnn_fails = result.rnn.final_error >= _SOLVED * result.mean_error
    raise typer.Exit(0 if lstm_solves and rnn_fails else 1)
