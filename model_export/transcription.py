"""From per-step probabilities to a text, and how far a text is from the right one."""

from __future__ import annotations

import numpy as np

from service.domain.tensors import Array


def greedy(probabilities: Array, blank: int) -> Array:
    """CTC's best path over `[steps, classes]`: repeats become one, blanks fall away."""
    best = probabilities.argmax(axis=-1)
    is_new = np.concatenate([[True], best[1:] != best[:-1]])
    text: Array = best[is_new & (best != blank)]
    return text


def edit_distance(found: Array, due: Array) -> int:
    """The fewest insertions, deletions and substitutions that turn one text into the other."""
    row = list(range(len(due) + 1))
    for count, symbol in enumerate(found, start=1):
        above, row = row, [count]
        for place, right in enumerate(due):
            row.append(min(above[place + 1] + 1, row[-1] + 1, above[place] + int(symbol != right)))
    return row[-1]


def error_rate_percent(found: list[Array], due: list[Array]) -> float:
    """Edits per hundred right symbols, over all texts together."""
    edits = sum(edit_distance(mine, right) for mine, right in zip(found, due, strict=True))
    return 100 * edits / sum(len(right) for right in due)
