"""The training loop every recipe uses: one-cycle rate, clipped gradients, best on validation."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from model_export.muon import Muon, weight_matrices
from model_export.recipe import Progress


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast to learn; `validate_every` 0 keeps the last weights unseen by validation.

    AdamW learns everything at `peak_rate`, but where `matrix_rate` is given: then Muon learns the matrices of
    LSTMs and the kernels of convolutions at that rate.
    """

    steps: int
    peak_rate: float
    matrix_rate: float = 0.0
    warm_up: float = 0.1
    weight_decay: float = 0.0
    max_gradient: float = 1.0
    validate_every: int = 0


def fit(
    network: nn.Module,
    losses: Iterator[Callable[[], Tensor]],
    schedule: Schedule,
    progress: Progress,
    validate: Callable[[], float] | None = None,
) -> None:
    """Minimise: each item of `losses` computes one batch's loss. `validate` returns lower for better."""
    optimisers = _optimisers(network, schedule)
    rates = [
        torch.optim.lr_scheduler.OneCycleLR(
            optimiser, optimiser.defaults["lr"], total_steps=schedule.steps, pct_start=schedule.warm_up
        )
        for optimiser in optimisers
    ]
    best = _Best(network)
    note = ""
    network.train()
    for step in range(1, schedule.steps + 1):
        loss = next(losses)()
        network.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(network.parameters(), schedule.max_gradient)
        for optimiser, rate in zip(optimisers, rates, strict=True):
            optimiser.step()
            rate.step()
        if validate and schedule.validate_every and step % schedule.validate_every == 0:
            note = best.offer(_validated(network, validate))
        progress(step, schedule.steps, float(loss.detach()), note)
    best.restore()
    network.eval()


def _optimisers(network: nn.Module, schedule: Schedule) -> list[torch.optim.Optimizer]:
    matrices = weight_matrices(network) if schedule.matrix_rate else []
    muon = [Muon(matrices, schedule.matrix_rate, weight_decay=schedule.weight_decay)] if matrices else []
    taken = {id(matrix) for matrix in matrices}
    others = [parameter for parameter in network.parameters() if id(parameter) not in taken]
    return [torch.optim.AdamW(others, schedule.peak_rate, weight_decay=schedule.weight_decay), *muon]


def _validated(network: nn.Module, validate: Callable[[], float]) -> float:
    network.eval()
    with torch.no_grad():
        score = validate()
    network.train()
    return score


class _Best:
    """The weights with the lowest validation score so far; the last ones where nothing was scored."""

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        self._score = float("inf")
        self._weights: dict[str, Tensor] | None = None

    def offer(self, score: float) -> str:
        if score < self._score:
            self._score = score
            self._weights = copy.deepcopy(self._network.state_dict())
        return f"validation {score:.4f}, best {self._score:.4f}"

    def restore(self) -> None:
        if self._weights is not None:
            self._network.load_state_dict(self._weights)
