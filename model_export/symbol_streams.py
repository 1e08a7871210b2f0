"""A long text as parallel streams of symbols: how a network learns from it, and what it costs in bits."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from model_export.networks.network import States
from model_export.networks.stacked import StackedLstm
from service.domain.tensors import Array

_CHUNK = 1024


def side_by_side(ids: Array, rows: int) -> Tensor:
    """The text cut into `rows` pieces that run beside each other, `[steps, rows]`."""
    steps = len(ids) // rows
    return torch.from_numpy(ids[: steps * rows].reshape(rows, steps).T.copy())


def stream_losses(
    network: StackedLstm, ids: Array, rows: int, steps_back: int, seed: int
) -> Iterator[Callable[[], Tensor]]:
    """For ever: `steps_back` steps of every stream, states carried on, gradients cut.

    Every pass reads the text from another place, so that its cuts lie elsewhere.
    """
    device = next(network.parameters()).device
    rng = np.random.default_rng(seed)
    while True:
        streams = side_by_side(np.roll(ids, -int(rng.integers(len(ids)))), rows).to(device)
        states: States = ()
        for start in range(0, len(streams) - steps_back, steps_back):
            steps = streams[start : start + steps_back + 1]

            def loss(steps: Tensor = steps) -> Tensor:
                nonlocal states
                nats, states = _nats(network, steps, states)
                return nats

            yield loss


@torch.no_grad()
def bits_per_symbol(network: StackedLstm, streams: Tensor) -> float:
    """Mean surprise of streams that start fresh and never stop; their first symbols are given."""
    nats = 0.0
    states: States = ()
    for start in range(0, len(streams) - 1, _CHUNK):
        steps = streams[start : start + _CHUNK + 1]
        mean, states = _nats(network, steps, states)
        nats += float(mean) * (len(steps) - 1)
    return nats / (len(streams) - 1) / math.log(2)


def _nats(network: StackedLstm, steps: Tensor, states: States) -> tuple[Tensor, States]:
    """Mean surprise at all steps but the first, and the states to go on with."""
    lengths = torch.full((steps.shape[1],), len(steps) - 1, device=steps.device)
    logits, states = network.logits(steps[:-1], lengths, states)
    nats = F.cross_entropy(logits.flatten(0, 1), steps[1:].flatten().long())
    return nats, tuple(state.detach() for state in states)
