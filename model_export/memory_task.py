"""What the memory cell is for: the adding problem, which an LSTM solves and a plain RNN of its size does not.

A sequence holds a number between 0 and 1 at every step, and two of them are marked, one in each half.
The answer due at the end is their sum (Hochreiter and Schmidhuber 1997). Both networks learn alike, at one
rate; the RNN did no better at 0.003, 0.001 or 0.0003. The LSTM's gates start out remembering for long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn import functional as F

from model_export.recipe import Progress
from model_export.trainer import Schedule, fit

STEPS = 500
HIDDEN = 32
_ROWS = 64
_TEST_ROWS = 512
_SCHEDULE = Schedule(steps=800, peak_rate=0.02)
_SEED = 7
_SMOOTHING = 20


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """Mean squared error of each update's batch, and of fresh sequences at the end."""

    name: str
    losses: tuple[float, ...]
    final_error: float


@dataclass(frozen=True, slots=True)
class MemoryResult:
    """Both networks' curves, and the error of always answering the mean."""

    steps: int
    hidden: int
    mean_error: float
    lstm: LearningCurve
    rnn: LearningCurve


class Adder(nn.Module):
    """`[time, batch, 2]` of numbers and marks to `[batch]`, read off the last step."""

    def __init__(self, cell: nn.LSTM | nn.RNN) -> None:
        super().__init__()
        self.cell = cell
        self.head = nn.Linear(cell.hidden_size, 1)

    def forward(self, sequence: Tensor) -> Tensor:
        y: Tensor = self.head(self.cell(sequence)[0][-1])
        return y.squeeze(-1)


def run(progress: Progress) -> MemoryResult:
    """Train both from the same sequences, one after the other."""
    torch.manual_seed(_SEED)
    lstm, rnn = nn.LSTM(2, HIDDEN), nn.RNN(2, HIDDEN)
    remember_long(lstm, STEPS)
    test = adding_batch(_TEST_ROWS, torch.Generator().manual_seed(_SEED + 1))
    return MemoryResult(
        steps=STEPS,
        hidden=HIDDEN,
        mean_error=float(test[1].var(correction=0)),
        lstm=_learn("LSTM", Adder(lstm), test, progress, done=0),
        rnn=_learn("plain RNN", Adder(rnn), test, progress, done=_SCHEDULE.steps),
    )


def _learn(
    name: str, adder: Adder, test: tuple[Tensor, Tensor], progress: Progress, done: int
) -> LearningCurve:
    losses: list[float] = []

    def told(step: int, steps: int, loss: float, note: str) -> None:
        losses.append(loss)
        progress(done + step, 2 * steps, loss, name)

    fit(adder, _losses(adder), _SCHEDULE, told)
    with torch.no_grad():
        return LearningCurve(name, tuple(losses), float(_loss(adder, *test)))


def remember_long(lstm: nn.LSTM, steps: int) -> None:
    """Biases under which units keep what they hold for 1 to `steps` steps (Tallec and Ollivier 2018)."""
    forget = torch.empty(lstm.hidden_size).uniform_(1, steps - 1).log()
    others = torch.zeros(2 * lstm.hidden_size)
    for name, bias in lstm.named_parameters():
        if name.startswith("bias"):
            bias.data.zero_()
        if name.startswith("bias_ih"):
            bias.data.copy_(torch.cat([-forget, forget, others]))


def adding_batch(rows: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Sequences `[STEPS, rows, 2]` and their sums `[rows]`."""
    numbers = torch.rand(STEPS, rows, generator=random)
    halves = torch.randint(STEPS // 2, (2, rows), generator=random)
    marks = torch.zeros(STEPS, rows)
    marks.scatter_(0, halves + torch.tensor([[0], [STEPS // 2]]), 1.0)
    return torch.stack([numbers, marks], dim=2), (numbers * marks).sum(dim=0)


def _losses(adder: Adder) -> Iterator[Callable[[], Tensor]]:
    random = torch.Generator().manual_seed(_SEED)
    while True:
        yield lambda: _loss(adder, *adding_batch(_ROWS, random))


def _loss(adder: Adder, sequence: Tensor, sums: Tensor) -> Tensor:
    return F.mse_loss(adder(sequence), sums)


def plot(result: MemoryResult, path: Path) -> None:
    """Both curves over the updates, and the error of always answering the mean, as a PNG."""
    figure = Figure(figsize=(7.2, 4.0), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    for curve, colour in ((result.lstm, "#0072b2"), (result.rnn, "#d55e00")):
        axes.plot(curve.losses, color=colour, alpha=0.2, linewidth=0.7)
        label = f"{curve.name}: {curve.final_error:.4f} in the end"
        axes.plot(_smooth(curve.losses), color=colour, linewidth=1.8, label=label)
    mean = f"always answering the mean: {result.mean_error:.4f}"
    axes.axhline(result.mean_error, color="#555555", linestyle="--", linewidth=1.0, label=mean)
    axes.set_yscale("log")
    axes.set_xlim(0, len(result.lstm.losses))
    axes.set_xlabel(f"updates, {_ROWS} sequences each")
    axes.set_ylabel("mean squared error")
    axes.set_title(
        f"Adding two numbers met in {result.steps} steps, {result.hidden} hidden units", loc="left"
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, axis="y", color="#dddddd", linewidth=0.6)
    axes.legend(frameon=False, loc="center right")
    figure.savefig(path)


def _smooth(losses: tuple[float, ...]) -> list[float]:
    """The mean of the last 20 updates."""
    recent = (losses[max(0, end - _SMOOTHING) : end] for end in range(1, len(losses) + 1))
    return [sum(some) / len(some) for some in recent]
