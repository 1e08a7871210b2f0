"""An n-gram model of characters, smoothed as Witten and Bell did (1991)."""

from __future__ import annotations

from math import log2


class WittenBell:
    """Counts what follows every context of up to `order - 1` symbols."""

    def __init__(self, text: str, order: int) -> None:
        self._symbols = len(set(text))
        self._followers: list[dict[str, dict[str, int]]] = [{} for _ in range(order)]
        for length, followers in enumerate(self._followers):
            for place in range(length, len(text)):
                counts = followers.setdefault(text[place - length : place], {})
                counts[text[place]] = counts.get(text[place], 0) + 1

    def bits_per_symbol(self, text: str) -> float:
        """What the text costs, each symbol foretold from those before it."""
        return sum(-log2(self._probability(text, place)) for place in range(len(text))) / len(text)

    def _probability(self, text: str, place: int) -> float:
        probability = 1 / self._symbols
        for length, followers in enumerate(self._followers[: place + 1]):
            counts = followers.get(text[place - length : place])
            if counts is None:
                break
            # The more kinds of symbols have followed a context, the likelier it is followed by a new one.
            kinds, total = len(counts), sum(counts.values())
            probability = (counts.get(text[place], 0) + kinds * probability) / (total + kinds)
        return probability
