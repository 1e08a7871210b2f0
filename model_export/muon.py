"""Muon: momentum whose every step is made orthogonal, for the weights of LSTMs and convolutions.

Keller Jordan's optimiser (2024). It is here for the character model: of the rates tried, 300 steps of it
left 2.34 bits per character on the validation part where 300 steps of AdamW left 2.65.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

# An odd polynomial that brings every singular value near 1 when it is applied a few times over.
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ROUNDS = 4


class Muon(torch.optim.Optimizer):
    """For weights and kernels `[outputs, inputs, …]`; `lr` is how far a step turns them."""

    def __init__(
        self, weights: Iterable[nn.Parameter], lr: float, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        super().__init__(weights, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """One update from the gradients at hand."""
        for group in self.param_groups:
            for weight in group["params"]:
                memory = self.state[weight].setdefault("memory", torch.zeros_like(weight))
                memory.lerp_(weight.grad, 1 - group["momentum"])
                ahead = weight.grad.lerp(memory, group["momentum"]).flatten(1)
                # Where outputs outnumber inputs, longer columns turn them as far as a square's would.
                stretch = max(1.0, ahead.shape[0] / ahead.shape[1]) ** 0.5
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.sub_(_orthogonal(ahead).view_as(weight), alpha=group["lr"] * stretch)


def weight_matrices(network: nn.Module) -> list[nn.Parameter]:
    """Every weight matrix of every nn.LSTM and every kernel of every nn.Conv2d inside."""
    layers = [module for module in network.modules() if isinstance(module, nn.LSTM | nn.Conv2d)]
    return [weight for layer in layers for weight in layer.parameters() if weight.dim() > 1]


def _orthogonal(update: Tensor) -> Tensor:
    """The same rotation with every singular value near 1."""
    is_tall = update.shape[0] > update.shape[1]
    x: Tensor = update.T if is_tall else update
    x = x / (x.norm() + 1e-7)
    a, b, c = _COEFFICIENTS
    for _ in range(_ROUNDS):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return (x.T if is_tall else x).contiguous()
