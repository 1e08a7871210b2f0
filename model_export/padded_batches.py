"""Sequences of unequal length as padded tensors: batches to learn from, and answers row by row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from model_export.networks.network import SequenceNetwork
from service.domain.tensors import Array


def padded(sequences: Sequence[Array], device: str = "cpu") -> tuple[Tensor, Tensor]:
    """`sequence [time, batch, *step]`, zero past each row's end, and `lengths [batch]`."""
    lengths = [len(sequence) for sequence in sequences]
    together = np.zeros((max(lengths), len(sequences), *sequences[0].shape[1:]), sequences[0].dtype)
    for row, sequence in enumerate(sequences):
        together[: len(sequence), row] = sequence
    return torch.from_numpy(together).to(device), torch.tensor(lengths, device=device)


def similar_lengths(lengths: Sequence[int], rows: int, rng: np.random.Generator) -> Iterator[Array]:
    """Batches of indices for ever; rows of one batch have similar lengths, so little padding is computed."""
    extents = np.asarray(lengths)
    while True:
        # The jitter lets the same rows meet other neighbours in every pass.
        order = np.argsort(extents * rng.uniform(0.9, 1.1, len(extents)))
        batches = [order[start : start + rows] for start in range(0, len(order), rows)]
        for index in rng.permutation(len(batches)):
            yield batches[index]


@torch.no_grad()
def answers(network: SequenceNetwork, sequences: Sequence[Array], rows: int = 64) -> list[Array]:
    """The network's output for each sequence; outputs for every step are cut to the sequence's own."""
    device = str(next(network.parameters()).device)
    order = np.argsort([len(sequence) for sequence in sequences])
    found: list[Array] = [np.empty(0)] * len(sequences)
    for start in range(0, len(order), rows):
        chosen = order[start : start + rows]
        sequence, lengths = padded([sequences[index] for index in chosen], device)
        output = network(sequence, lengths)[0].cpu().numpy()
        has_steps = output.ndim > 2
        for row, index in enumerate(chosen):
            found[index] = output[: len(sequences[index]), row] if has_steps else output[row]
    return found
