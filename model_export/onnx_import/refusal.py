"""Why a model cannot be imported, and where in its graph."""

from __future__ import annotations


class ImportRefused(Exception):
    """Someone else's model cannot be brought into the sequence-graph contract exactly."""

    def __init__(self, node: str, reason: str) -> None:
        super().__init__(f"{node}: {reason}")
        self.node = node
        self.reason = reason


class Misread(ImportRefused):
    """A recurrent node does not read time, batch and features under this reading of the sequence's axes."""


class Unfit(Exception):
    """An operator cannot be made exact; the walk adds the node's name and raises ImportRefused."""

    refusal: type[ImportRefused] = ImportRefused


class Misfit(Unfit):
    """Axes stand where a recurrent node does not expect them."""

    refusal = Misread
