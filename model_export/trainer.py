"""The training loop every recipe uses: AdamW, one-cycle rate, clipped gradients, best on validation."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from model_export.recipe import Progress


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast to learn; `validate_every` 0 keeps the last weights unseen by validation."""

    steps: int
    peak_rate: float
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
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=schedule.peak_rate, weight_decay=schedule.weight_decay
    )
    rate = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, schedule.peak_rate, total_steps=schedule.steps, pct_start=schedule.warm_up
    )
    best = _Best(network)
    note = ""
    network.train()
    for step in range(1, schedule.steps + 1):
        loss = next(losses)()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), schedule.max_gradient)
        optimiser.step()
        rate.step()
        if validate and schedule.validate_every and step % schedule.validate_every == 0:
            note = best.offer(_validated(network, validate))
        progress(step, schedule.steps, float(loss.detach()), note)
    best.restore()
    network.eval()


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
