"""Secondary structure without a network: every residue nearby votes by how often it goes with each label."""

from __future__ import annotations

import numpy as np

from model_export.datasets.protein import AMINO_ACIDS, LABELS, Chain
from service.domain.tensors import Array

_REACH = 8
# Beyond a chain's ends stands one more symbol: being near an end says something too.
_NOTHING = len(AMINO_ACIDS)


class ResidueVotes:
    """Naive Bayes over a window of 17 residues."""

    def __init__(self, chains: list[Chain]) -> None:
        counts = np.ones((2 * _REACH + 1, _NOTHING + 1, len(LABELS)))
        labels = np.concatenate([chain.structure for chain in chains])
        near = np.concatenate([_neighbours(chain.residues) for chain in chains])
        for offset, symbols in enumerate(near.T):
            np.add.at(counts[offset], (symbols, labels), 1)
        self._votes = np.log(counts / counts.sum(axis=1, keepdims=True))
        self._usual = np.log(np.bincount(labels) / len(labels))

    def labels(self, residues: Array) -> Array:
        """The likeliest label of each residue of one chain."""
        votes = self._votes[np.arange(2 * _REACH + 1), _neighbours(residues)]
        likeliest: Array = (votes.sum(axis=1) + self._usual).argmax(axis=1)
        return likeliest


def _neighbours(residues: Array) -> Array:
    """`[length, 17]`: the residues from 8 before to 8 behind each one."""
    around = np.pad(residues, _REACH, constant_values=_NOTHING)
    return np.lib.stride_tricks.sliding_window_view(around, 2 * _REACH + 1)
