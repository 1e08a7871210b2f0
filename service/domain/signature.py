"""What a model takes and gives: the part of the manifest that the request path needs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from service.domain.tensors import Datatype, Shape

SEQUENCE = "sequence"
LENGTHS = "lengths"
OUTPUT = "output"
_FLOAT32_BYTES = 4


class Readout(StrEnum):
    """Which steps of a sequence have an output."""

    LAST = "last"
    EVERY_STEP = "every_step"


@dataclass(frozen=True, slots=True)
class StateSpec:
    """One recurrent tensor: the graph's input and output names, and its shape per row."""

    input: str
    output: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class Signature:
    """The sequence graph of one model version, seen from outside."""

    step_datatype: Datatype
    step_shape: Shape
    output_shape: Shape
    readout: Readout
    states: tuple[StateSpec, ...] = ()
    symbol_count: int | None = None

    @property
    def has_step_outputs(self) -> bool:
        return self.readout is Readout.EVERY_STEP

    @property
    def is_causal(self) -> bool:
        """Whether a sequence may be cut: only a model that exposes its state can go on where it stopped."""
        return bool(self.states)

    def output_bytes(self, rows: int, steps: int) -> int:
        """What the answer to so many rows takes that have so many steps together."""
        return _FLOAT32_BYTES * math.prod(self.output_shape) * (steps if self.has_step_outputs else rows)

    @property
    def step_bytes(self) -> int:
        size = self.step_datatype.dtype.itemsize
        for extent in self.step_shape:
            size *= extent
        return size
