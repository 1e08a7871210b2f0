"""An inspection as heat maps: a column for each layer and direction, a row for each gate."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np

from cli.answers_table import words_of
from service.domain.tensors import Array

_STYLE: dict[Any, Any] = {"font.size": 9, "axes.titlesize": 9, "axes.labelsize": 8}
_ORDER = ("input", "forget", "output", "update", "reset", "candidate", "cell", "hidden")
_GATES = {"input", "forget", "output", "update", "reset"}
# By which the units of a column are sorted: those that keep what they know longest come first.
_LASTING = ("forget", "update", "hidden")
_MOST_CHARACTERS = 70
_USUAL = 0.99
_MOST_TITLE = 90


class _Column(NamedTuple):
    title: str
    values: dict[str, Array]


def draw(answer: dict[str, Any], sequence: Any, path: Path) -> None:
    """Write the picture of an answer, which is no summary, as PNG."""
    mpl.use("agg")
    from matplotlib import pyplot as plt

    columns = [
        _column(f"layer {number}: {layer['name']}", direction)
        for number, layer in enumerate(answer["layers"], start=1)
        for direction in layer["directions"]
    ]
    rows = _rows(columns)
    with mpl.rc_context(_STYLE):
        figure, axes = plt.subplots(
            len(rows),
            len(columns),
            figsize=(_width(answer["steps"], len(columns)), 1.45 * len(rows) + 1.2),
            layout="constrained",
            squeeze=False,
        )
        for row, name in zip(axes, rows, strict=True):
            _draw_row(figure, row, name, columns)
        for place, column in enumerate(columns):
            axes[0, place].set_title(column.title)
            _label_steps(axes[-1, place], answer, sequence)
        figure.suptitle(_title(answer, sequence), fontsize=11)
        figure.supxlabel("units from the longest memory, at the top, to the shortest", fontsize=8)
        figure.savefig(path, dpi=110)
        plt.close(figure)


def _column(title: str, direction: dict[str, Any]) -> _Column:
    given = {
        **direction["gates"],
        **{name: direction[name] for name in ("cell", "hidden") if name in direction},
    }
    values = {name: np.array(numbers).T for name, numbers in given.items()}
    lasting = values[next(name for name in _LASTING if name in values)]
    order = np.argsort(-lasting.mean(axis=1), kind="stable")
    towards = ", read backwards ←" if direction["direction"] == "reverse" else ""
    return _Column(title + towards, {name: each[order] for name, each in values.items()})


def _rows(columns: list[_Column]) -> list[str]:
    found = {name for column in columns for name in column.values}
    # h is the cell seen through its gate: where there is a cell, it says more.
    return [name for name in _ORDER if name in found and not (name == "hidden" and "cell" in found)]


def _draw_row(figure: Any, row: Any, name: str, columns: list[_Column]) -> None:
    """One scale for all columns of a row: 0 to 1 for gates, as far down as up for everything else."""
    shown = [column.values[name] for column in columns if name in column.values]
    most = 1.0 if name in _GATES | {"candidate"} else _usual_most(shown)
    colours: dict[str, Any] = (
        {"cmap": "viridis", "vmin": 0, "vmax": 1}
        if name in _GATES
        else {"cmap": "RdBu_r", "vmin": -most, "vmax": most}
    )
    image = None
    for axes, column in zip(row, columns, strict=True):
        if name not in column.values:
            axes.set_axis_off()
            continue
        image = axes.imshow(column.values[name], aspect="auto", interpolation="nearest", **colours)
        axes.set_yticks([])
        axes.tick_params(bottom=False, labelbottom=False)
    kind = "gate" if name in _GATES else "state" if name in ("cell", "hidden") else ""
    row[0].set_ylabel(f"{name}\n{kind}".strip() + f"\n{len(shown[0])} units")
    extend = "neither" if most == 1.0 else "both"
    figure.colorbar(image, ax=row.tolist(), pad=0.01, fraction=0.05, extend=extend)


def _usual_most(shown: list[Array]) -> float:
    """Few cells run far ahead of all others, which would be white beside them."""
    return float(np.quantile(np.abs(np.concatenate(shown, axis=None)), _USUAL)) or 1.0


def _label_steps(axes: Any, answer: dict[str, Any], sequence: Any) -> None:
    """Characters where there are few enough to read, with what the model made of each; else step numbers."""
    axes.tick_params(bottom=True, labelbottom=True)
    axes.set_xlabel("step")
    if not isinstance(sequence, str) or len(sequence) > _MOST_CHARACTERS:
        axes.xaxis.get_major_locator().set_params(integer=True)
        return
    initials = _initials(answer["prediction"].get("labels", []))
    ticks = [_visible(symbol) for symbol in sequence]
    if initials:
        ticks = [f"{symbol}\n{initial}" for symbol, initial in zip(ticks, initials[0], strict=True)]
        axes.set_xlabel(f"step: what was read, and the answer to it: {initials[1]}")
    else:
        axes.set_xlabel("step: what was read")
    axes.set_xticks(range(len(sequence)), ticks, family="monospace", fontsize=7)


def _initials(labels: list[str]) -> tuple[list[str], str] | None:
    """The first letter of each label, and what each letter stands for; None where they do not tell."""
    meant = {label[:1]: label for label in labels}
    if not labels or any(meant[label[:1]] != label for label in labels):
        return None
    return [label[:1] for label in labels], ", ".join(f"{letter} {label}" for letter, label in meant.items())


def _visible(symbol: str) -> str:
    return {" ": "␣", "\n": "↵", "$": r"\$"}.get(symbol, symbol)


def _title(answer: dict[str, Any], sequence: Any) -> str:
    prediction = answer["prediction"]
    words, sure = words_of(prediction)
    if "next" in prediction:
        words = "next: " + words
    if "labels" in prediction:
        words = " ".join(prediction["labels"])
    read = (
        f" read {_shortened(sequence, 50)!r}" if isinstance(sequence, str) else f", {answer['steps']} steps"
    )
    told = f"{answer['model']}/{answer['version']}{read}\n{_shortened(words, _MOST_TITLE)}"
    return (told + (f"  ({sure})" if sure else "")).replace("$", r"\$")


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _width(steps: int, columns: int) -> float:
    """Inches: enough for a character a step, and for a screen."""
    each = min(max(3.2, 0.13 * steps), 9.0)
    return min(each * columns + 1.4, 24.0)
