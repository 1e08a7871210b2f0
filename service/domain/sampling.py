"""From a distribution over symbols to one of them, and knowing when to stop."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from service.domain.tensors import Array

# Below it logits are infinite, and long before it nothing but the likeliest has a chance.
_COLDEST = 1e-300


class Sampling(NamedTuple):
    """`temperature` 0 always takes the likeliest; `top_k` leaves only so many to choose from, None all."""

    temperature: float = 1.0
    top_k: int | None = None


def sampled(probabilities: Array, sampling: Sampling, random: np.random.Generator) -> int:
    """A symbol's index, drawn from `probabilities [symbols]`."""
    if sampling.temperature < _COLDEST:
        return int(probabilities.argmax())
    # What was rounded to nothing stays possible in principle, and its logarithm a number.
    logits = np.log(np.maximum(probabilities.astype(np.float64), 1e-30)) / sampling.temperature
    if sampling.top_k is not None and sampling.top_k < len(logits):
        logits[np.argsort(-logits, kind="stable")[sampling.top_k :]] = -np.inf
    weights = np.exp(logits - logits.max())
    return int(random.choice(len(weights), p=weights / weights.sum()))


class StopTexts:
    """Holds back what may be the beginning of a text that ends the generation, and that text itself."""

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops = stops
        self._held = ""

    def take(self, symbol: str) -> tuple[str, bool]:
        """What may be shown now, and whether a stop text is complete."""
        self._held += symbol
        for stop in self._stops:
            if self._held.endswith(stop):
                return self._held[: -len(stop)], True
        shown = len(self._held) - self._longest_beginning()
        text, self._held = self._held[:shown], self._held[shown:]
        return text, False

    def rest(self) -> str:
        """What was held back for nothing."""
        text, self._held = self._held, ""
        return text

    def _longest_beginning(self) -> int:
        """How much of the end of what is held may begin a stop text."""
        lengths = (
            length
            for stop in self._stops
            for length in range(min(len(stop) - 1, len(self._held)), 0, -1)
            if self._held.endswith(stop[:length])
        )
        return max(lengths, default=0)
