"""What an output means, in words: labels, texts, next symbols, forecasts with their unit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from service.domain.tensors import Array

Answer: TypeAlias = dict[str, Any]
Wording: TypeAlias = Callable[[Array, Array], Answer]
"""From a sequence's output and the sequence itself to what the caller reads."""

_LIKELIEST = 5


@dataclass(frozen=True, slots=True)
class Classification:
    """One label for the whole sequence."""

    labels: tuple[str, ...]

    def __call__(self, output: Array, sequence: Array) -> Answer:
        probabilities = output.tolist()
        best = int(output.argmax())
        return {
            "label": self.labels[best],
            "probability": probabilities[best],
            "probabilities": dict(zip(self.labels, probabilities, strict=True)),
        }


@dataclass(frozen=True, slots=True)
class Labelling:
    """One label for each step."""

    labels: tuple[str, ...]

    def __call__(self, output: Array, sequence: Array) -> Answer:
        best = output.argmax(axis=1)
        return {
            "labels": [self.labels[index] for index in best.tolist()],
            "probabilities": output[np.arange(len(best)), best].tolist(),
        }


@dataclass(frozen=True, slots=True)
class Transcription:
    """CTC, greedy: the likeliest label of each step, repeats merged, blanks dropped."""

    labels: tuple[str, ...]
    blank: int

    def __call__(self, output: Array, sequence: Array) -> Answer:
        best = output.argmax(axis=1)
        is_new = np.concatenate([[True], best[1:] != best[:-1]]) & (best != self.blank)
        steps = np.flatnonzero(is_new)
        return {
            "text": "".join(self.labels[index] for index in best[steps].tolist()),
            "steps": steps.tolist(),
            "probabilities": output[steps, best[steps]].tolist(),
        }


@dataclass(frozen=True, slots=True)
class NextSymbol:
    """What follows the sequence, and how well the model foresaw the sequence itself."""

    symbols: tuple[str, ...]

    def __call__(self, output: Array, sequence: Array) -> Answer:
        last = output[-1]
        likeliest = np.argsort(last)[::-1][:_LIKELIEST].tolist()
        answer: Answer = {
            "next": [{"symbol": self.symbols[i], "probability": float(last[i])} for i in likeliest]
        }
        if len(sequence) > 1:
            foreseen = output[np.arange(len(sequence) - 1), sequence[1:]]
            answer["bits_per_symbol"] = float(-np.log2(np.maximum(foreseen, 1e-30)).mean())
        return answer


@dataclass(frozen=True, slots=True)
class Forecast:
    """Numbers with a unit."""

    unit: str

    def __call__(self, output: Array, sequence: Array) -> Answer:
        return {"values": output.tolist(), "unit": self.unit}


def tensor_answer(output: Array, sequence: Array) -> Answer:
    """Numbers about which nothing more is known."""
    return {"output": output.tolist()}
