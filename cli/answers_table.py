"""Answers as a table a person can read."""

from __future__ import annotations

from typing import Any

from rich.table import Table

_MOST_VALUES = 48


def answers_table(answer: dict[str, Any]) -> Table:
    """One line per sequence."""
    table = Table("sequence", "answer", "how sure", box=None, pad_edge=False)
    for index, prediction in enumerate(answer["predictions"]):
        table.add_row(str(index), *words_of(prediction))
    return table


def words_of(prediction: dict[str, Any]) -> tuple[str, str]:
    """The answer, and how sure the model is of it."""
    if "label" in prediction:
        return prediction["label"], f"{prediction['probability']:.1%}"
    if "labels" in prediction:
        return "".join(prediction["labels"]), _mean(prediction["probabilities"])
    if "text" in prediction:
        return prediction["text"], _mean(prediction["probabilities"])
    if "next" in prediction:
        likeliest = ", ".join(f"{one['symbol']!r} {one['probability']:.1%}" for one in prediction["next"])
        return (
            likeliest,
            f"{prediction['bits_per_symbol']:.2f} bits/symbol" if "bits_per_symbol" in prediction else "",
        )
    values = _flat(prediction.get("values", prediction.get("output")))
    shown = " ".join(f"{value:.4g}" for value in values[:_MOST_VALUES])
    more = f" … ({len(values)} values)" if len(values) > _MOST_VALUES else ""
    return shown + more, prediction.get("unit", "")


def _mean(probabilities: list[float]) -> str:
    return f"{sum(probabilities) / len(probabilities):.1%}" if probabilities else ""


def _flat(values: Any) -> list[float]:
    if isinstance(values, list):
        return [number for value in values for number in _flat(value)]
    return [values]
