"""Protein chains and their secondary structure: amino-acid ids, and helix, strand or coil per residue."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np

from model_export.datasets.vendored_files import read_bytes
from service.domain.tensors import Array

AMINO_ACIDS = "ACDEFGHIKLMNPQRSTVWY"
LABELS = ("helix", "strand", "coil")

# DSSP's eight states as three; every other letter is coil.
_STATES = {"H": 0, "G": 0, "I": 0, "E": 1, "B": 1}
_COIL = 2
_TEST_CHAINS = 500
_VALIDATION_CHAINS = 500


@dataclass(frozen=True, slots=True)
class Chain:
    """One protein chain: its PDB name, `residues [length]` as ids of AMINO_ACIDS, `structure [length]`."""

    name: str
    residues: Array
    structure: Array


@dataclass(frozen=True, slots=True)
class ProteinData:
    """No two chains share more than a quarter of their residues, so any split keeps relatives apart."""

    training: list[Chain]
    validation: list[Chain]
    test: list[Chain]


def load_protein() -> ProteinData:
    """The split is by a seeded shuffle of the chains' names."""
    lines = read_bytes("protein_ss_9340.tsv.xz").decode().split("\n")
    count = len(lines) // 3
    rows = sorted(zip(lines[:count], lines[count : 2 * count], lines[2 * count :], strict=True))
    random.Random(0).shuffle(rows)  # noqa: S311 -- a split, not a secret
    chains = [_chain(*row) for row in rows]
    held_out = _TEST_CHAINS + _VALIDATION_CHAINS
    return ProteinData(chains[held_out:], chains[_TEST_CHAINS:held_out], chains[:_TEST_CHAINS])


def _chain(name: str, residues: str, structure: str) -> Chain:
    ids = [AMINO_ACIDS.index(letter) for letter in residues]
    states = [_STATES.get(letter, _COIL) for letter in structure]
    return Chain(name, np.array(ids, np.int32), np.array(states, np.int64))
