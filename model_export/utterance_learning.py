"""Learning and scoring one label for each utterance."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from model_export.datasets.utterances import Utterances
from model_export.networks.network import SequenceNetwork
from model_export.padded_batches import answers, padded, similar_lengths
from service.domain.tensors import Array

# Softened targets keep a small training set from being learnt by heart.
_SMOOTHING = 0.1


def utterance_losses(
    logits: Callable[[Tensor, Tensor], Tensor],
    utterances: Utterances,
    rows: int,
    seed: int,
    device: str,
    varied: Callable[[Array, np.random.Generator], Array] = lambda sequence, _: sequence,
) -> Iterator[Callable[[], Tensor]]:
    """Cross-entropy of one batch after another; `varied` may say each sequence a little differently."""
    rng = np.random.default_rng(seed)
    for chosen in similar_lengths([len(sequence) for sequence in utterances.sequences], rows, rng):

        def loss(chosen: Array = chosen) -> Tensor:
            spoken = [varied(utterances.sequences[index], rng) for index in chosen]
            labels = torch.from_numpy(utterances.labels[chosen]).to(device)
            return cross_entropy(logits(*padded(spoken, device)), labels, label_smoothing=_SMOOTHING)

        yield loss


def accuracy_percent(network: SequenceNetwork, utterances: Utterances) -> float:
    """How many utterances get their label."""
    found = np.array([output.argmax() for output in answers(network, utterances.sequences)])
    return share_percent(found, utterances.labels)


def share_percent(found: Array, due: Array) -> float:
    return 100 * float(np.mean(found == due))
