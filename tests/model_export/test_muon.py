"""Muon, and the trainer that uses it."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from model_export.muon import Muon, weight_matrices
from model_export.trainer import Schedule, fit


def test_a_step_turns_every_direction_about_as_far() -> None:
    torch.manual_seed(1)
    weight = nn.Parameter(torch.zeros(6, 6))
    weight.grad = (
        torch.randn(6, 6) @ torch.diag(torch.tensor([1.0, 0.8, 0.6, 0.5, 0.4, 0.3])) @ torch.randn(6, 6)
    )
    before = torch.linalg.svdvals(weight.grad)
    Muon([weight], lr=1.0).step()
    after = torch.linalg.svdvals(weight.detach())
    assert after[0] / after[-2] < before[0] / before[-2]
    assert after[0] < 1.5


def test_the_weight_matrices_of_lstms_are_its_own_and_no_bias_nor_head() -> None:
    network = nn.ModuleDict({"lstm": nn.LSTM(3, 4, num_layers=2), "head": nn.Linear(4, 2)})
    assert sorted(tuple(weight.shape) for weight in weight_matrices(network)) == [
        (16, 3),
        (16, 4),
        (16, 4),
        (16, 4),
    ]


def test_the_trainer_learns_every_parameter_with_it() -> None:
    torch.manual_seed(2)
    network = nn.ModuleDict({"lstm": nn.LSTM(1, 8), "head": nn.Linear(8, 1)})
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    x = torch.rand(6, 16, 1)

    def loss() -> Tensor:
        y = network["head"](network["lstm"](x)[0][-1])
        return (y - x.sum(dim=0)).square().mean()

    def losses() -> Iterator:
        while True:
            yield loss

    told: list[float] = []

    def progress(step: int, steps: int, loss: float, note: str) -> None:
        told.append(loss)

    schedule = Schedule(steps=80, peak_rate=0.02, matrix_rate=0.02)
    fit(network, losses(), schedule, progress)
    assert told[-1] < told[0] / 5
    assert all(not torch.equal(weight, before[name]) for name, weight in network.state_dict().items())
