"""The label of the nearest utterance, distance by dynamic time warping."""

from __future__ import annotations

import numpy as np

from model_export.datasets.utterances import Utterances
from service.domain.tensors import Array

_TOGETHER = 100


def nearest_labels(known: Utterances, asked: Utterances) -> Array:
    """For each asked utterance the label of the known one it is warped onto at the smallest cost."""
    distances = np.empty((len(asked.sequences), len(known.sequences)))
    # Similar lengths together: a pair then waits for few cells that are not its own.
    for queries in _by_length(asked.sequences):
        for references in _by_length(known.sequences):
            distances[np.ix_(queries, references)] = _distances(
                asked.part(queries).sequences, known.part(references).sequences
            )
    nearest: Array = known.labels[distances.argmin(axis=1)]
    return nearest


def _by_length(sequences: list[Array]) -> list[Array]:
    order = np.argsort([len(sequence) for sequence in sequences])
    return [order[start : start + _TOGETHER] for start in range(0, len(order), _TOGETHER)]


def _distances(queries: list[Array], references: list[Array]) -> Array:
    """Squared Euclidean cost along the best path, any warp allowed, `[queries, references]`.

    Every pair is at the same cell (i, j) at once; a pair's distance is read at its own last cell.
    """
    query_ends, reference_ends = _ends(queries), _ends(references)
    query_steps, reference_steps = _padded(queries), _padded(references)
    found = np.empty((len(queries), len(references)))
    outside = np.full_like(found, np.inf)
    above = [outside] * (len(reference_steps) + 1)
    for i, query in enumerate(query_steps):
        row = [outside]
        for j, reference in enumerate(reference_steps):
            before = np.minimum(np.minimum(above[j], above[j + 1]), row[j]) if i or j else 0.0
            row.append(before + _squared(query, reference))
            np.copyto(found, row[-1], where=(query_ends == i)[:, np.newaxis] & (reference_ends == j))
        above = row
    return found


def _squared(query: Array, reference: Array) -> Array:
    lengths = (query**2).sum(axis=1)[:, np.newaxis] + (reference**2).sum(axis=1)
    distances: Array = lengths - 2 * query @ reference.T
    return distances


def _ends(sequences: list[Array]) -> Array:
    return np.array([len(sequence) - 1 for sequence in sequences])


def _padded(sequences: list[Array]) -> Array:
    """`[steps, sequences, features]`, zero past each end: no distance is read there."""
    steps = max(len(sequence) for sequence in sequences)
    together = np.zeros((steps, len(sequences), sequences[0].shape[1]))
    for column, sequence in enumerate(sequences):
        together[: len(sequence), column] = sequence
    return together
