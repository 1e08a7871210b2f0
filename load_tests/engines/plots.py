"""The comparison as pictures, drawn from what was kept. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.ticker import EngFormatter, LogLocator, NullLocator

from load_tests.engines.outcome import Measurement, ModelOutcome, Outcome
from load_tests.engines.standing import Curve, Standings, standings_of

# Colours that people tell apart who do not see red and green.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")
_MARKERS = "osv^DPX*"
# Heights that differ by less are shown on a linear scale.
_ALIKE = 10
_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
}

_Value = Callable[[Measurement], float | None]


def draw(outcome: Outcome, folder: Path) -> list[Path]:
    """A picture for each model with a figure, `<model>.png`; returns their paths."""
    mpl.use("agg")
    return [_draw(model, outcome, folder) for model in outcome.models if model.measurements]


def _draw(model: ModelOutcome, outcome: Outcome, folder: Path) -> Path:
    from matplotlib import pyplot as plt

    path = folder / f"{model.model}.png"
    every = standings_of(model)
    shown = fullest(every)
    with mpl.rc_context(_STYLE):
        figure, (throughput, latency, speedup) = plt.subplots(1, 3, figsize=(13, 4.4), layout="constrained")
        looks = _looks(every)
        _throughput(throughput, shown, looks)
        _latency(latency, every, looks)
        _speedup(speedup, shown, looks)
        _legend(figure, throughput, latency)
        figure.suptitle(f"{model.name} on {_place(outcome)}", fontsize=11)
        figure.savefig(path, dpi=150)
        plt.close(figure)
    return path


def fullest(every: Sequence[Standings]) -> Standings:
    """The length with the most figures, of several the longest."""
    return max(every, key=lambda one: (sum(len(curve.points) for curve in one.curves), one.steps))


def _looks(every: Sequence[Standings]) -> dict[str, dict[str, Any]]:
    labels = dict.fromkeys(curve.label for standings in every for curve in standings.curves)
    return {
        label: {
            "color": _COLOURS[place % len(_COLOURS)],
            "marker": _MARKERS[place % len(_MARKERS)],
            "markersize": 4,
        }
        for place, label in enumerate(labels)
    }


def _throughput(axes: Any, shown: Standings, looks: dict[str, dict[str, Any]]) -> None:
    _curves(axes, shown, looks, lambda one: one.rate, lambda one: one.device_rate)
    axes.set(title=f"Throughput, {shown.steps} steps", ylabel="sequences per second")
    _over_rows(axes)
    _heights(axes, EngFormatter(sep=""))


def _latency(axes: Any, every: Sequence[Standings], looks: dict[str, dict[str, Any]]) -> None:
    for label, look in looks.items():
        alone = [
            (curve.steps, curve.alone)
            for standings in every
            for curve in standings.curves
            if curve.label == label and curve.alone
        ]
        axes.plot(
            [steps for steps, _ in alone], [one.median_s * 1e3 for _, one in alone], label=label, **look
        )
    axes.set(title="Latency of one sequence", xlabel="steps of the sequence", ylabel="ms, host to host")
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(_whole)
    _heights(axes, _plain)


def _speedup(axes: Any, shown: Standings, looks: dict[str, dict[str, Any]]) -> None:
    _curves(axes, shown, looks, lambda one: shown.ratio(one.rate), lambda one: shown.ratio(one.device_rate))
    axes.set(
        title=f"Speed-up over the CPU's best, {shown.steps} steps", ylabel="times the CPU's best throughput"
    )
    _over_rows(axes)
    _heights(axes, _plain)
    axes.axhline(1, color="black", linewidth=0.8)


def _curves(
    axes: Any, shown: Standings, looks: dict[str, dict[str, Any]], host: _Value, device: _Value
) -> None:
    """Solid: host to host; dashed: the device alone."""
    for curve in shown.curves:
        look = looks[curve.label]
        _line(axes, curve, host, {**look, "label": curve.label})
        _line(axes, curve, device, {**look, "linestyle": "--", "alpha": 0.7})


def _line(axes: Any, curve: Curve, value: _Value, look: dict[str, Any]) -> None:
    places = [(point.rows, value(point)) for point in curve.points]
    drawn = [(rows, height) for rows, height in places if height is not None]
    if drawn:
        axes.plot(*zip(*drawn, strict=True), **look)


def _over_rows(axes: Any) -> None:
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(_whole)
    axes.set_xlabel("rows in a batch")


def _heights(axes: Any, formatter: Any) -> None:
    """From zero where all heights are alike, else logarithmic with numbers that people read."""
    heights = [height for line in axes.get_lines() for height in line.get_ydata()]
    if not heights:
        return
    if max(heights) < _ALIKE * min(heights):
        axes.set_ylim(0, 1.08 * max(heights))
    else:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(formatter)


def _legend(figure: Any, throughput: Any, latency: Any) -> None:
    handles, labels = latency.get_legend_handles_labels()
    has_device = any(line.get_linestyle() == "--" for line in throughput.get_lines())
    title = "solid: host to host, dashed: the device alone" if has_device else None
    figure.legend(handles, labels, loc="outside lower center", ncols=4, title=title, frameon=False)


def _place(outcome: Outcome) -> str:
    machine = outcome.machine
    gpu = machine.get("gpu")
    cpu = f"{machine.get('processor', 'an unknown processor')}, {machine.get('cores', '?')} cores"
    return f"{gpu} and {cpu}" if gpu else cpu


def _whole(value: float, _: int) -> str:
    return f"{value:,.0f}"


def _plain(value: float, _: int) -> str:
    return f"{value:g}"
