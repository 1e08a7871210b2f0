"""What there is to tell of model versions beside that they serve."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import NamedTuple

UNLOADED = "unloaded"


class State(StrEnum):
    """A version's state in the protocol's words."""

    LOADING = "LOADING"
    READY = "READY"
    UNLOADING = "UNLOADING"
    UNAVAILABLE = "UNAVAILABLE"


class Told(NamedTuple):
    """A state, and the reason for it."""

    state: State
    reason: str


class IndexEntry(NamedTuple):
    """One version as the repository's index has it."""

    name: str
    version: str
    state: State
    reason: str


class ModelStates:
    """Versions that are on their way in or out, that could not be loaded, or that were put away."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._told: dict[str, dict[str, Told]] = {}

    def of(self, name: str) -> dict[str, Told]:
        """What is told of a model, by version."""
        return self._told.get(name, {})

    def tell(self, name: str, version: str, state: State, reason: str = "") -> None:
        self._told.setdefault(name, {})[version] = Told(state, reason)
        self._on_change()

    def forget(self, name: str, version: str) -> None:
        versions = self._told.get(name, {})
        versions.pop(version, None)
        if not versions:
            self._told.pop(name, None)
        self._on_change()

    def __iter__(self) -> Iterator[IndexEntry]:
        for name, versions in self._told.items():
            for version, told in versions.items():
                yield IndexEntry(name, version, *told)
