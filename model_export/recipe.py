"""What a bundle is made from: data, network, training, and the figure it must reach."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Protocol

from model_export.model_card import ModelCard
from model_export.networks.network import SequenceNetwork
from service.domain.tensors import Array
from service.repository.manifest import Quality


class Progress(Protocol):
    """Told after every optimiser step; a progress bar, or nothing."""

    def __call__(self, step: int, steps: int, loss: float, note: str) -> None: ...


class Recipe(ABC):
    """One bundle's making. Seeded: the same machine and the same thread count give the same weights."""

    name: str
    seed: ClassVar[int] = 7

    @abstractmethod
    def card(self) -> ModelCard: ...

    @abstractmethod
    def network(self) -> SequenceNetwork:
        """The untrained network, initialised from the current torch seed."""

    @abstractmethod
    def train(self, network: SequenceNetwork, device: str, progress: Progress) -> None:
        """Train in place, on the training part, choosing by the validation part only."""

    @abstractmethod
    def evaluate(self, network: SequenceNetwork) -> tuple[Quality, ...]:
        """Score once on the sealed test part."""

    @abstractmethod
    def examples(self, count: int) -> list[Array]:
        """Real sequences `[steps, *step]` from the test part, raw as a client sends them."""
