"""Spoken utterances with one label each, split into training, validation and test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from service.domain.tensors import Array


@dataclass(frozen=True, slots=True)
class Utterances:
    """Sequences `[steps, features]` and the label of each."""

    sequences: list[Array]
    labels: Array

    def part(self, chosen: Array) -> Utterances:
        """The utterances at these indices."""
        return Utterances([self.sequences[index] for index in chosen], self.labels[chosen])

    def scaled(self, factors: Array) -> Utterances:
        """The same with each feature multiplied by its factor."""
        return Utterances([sequence * factors for sequence in self.sequences], self.labels)


@dataclass(frozen=True, slots=True)
class UtteranceData:
    """What is learnt from, what is chosen by, and what is scored once."""

    training: Utterances
    validation: Utterances
    test: Utterances

    @property
    def known(self) -> Utterances:
        """Training and validation together."""
        parts = self.training, self.validation
        sequences = [sequence for part in parts for sequence in part.sequences]
        return Utterances(sequences, np.concatenate([part.labels for part in parts]))


def utterances(steps: Array, lengths: Array, labels: Array) -> Utterances:
    """Cut `steps [all steps, features]`, stored end to end, into sequences."""
    ends = np.cumsum(lengths.astype(np.int64))
    return Utterances(np.split(steps.astype(np.float32), ends[:-1]), labels.astype(np.int64))
