"""What a load consists of: which sequences are sent, one in each request."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from load_tests.lengths import SEED, Lengths, always_twenty, lognormal
from load_tests.model_input import ModelInput
from service.domain.tensors import Array

_DECIMALS = 4


@dataclass(frozen=True, slots=True)
class Workload:
    """Sequences of certain lengths, the same in every run."""

    name: str
    lengths: Lengths
    distinct: int

    def sequences(self, expected: ModelInput) -> list[Array]:
        """`distinct` sequences `[steps, *step]` that the model takes."""
        random = np.random.default_rng(SEED)
        shapes = [(steps, *expected.step_shape) for steps in self.lengths(random, self.distinct)]
        return [_values(random, shape, expected) for shape in shapes]


W1 = Workload("W1", always_twenty, 64)
W2 = Workload("W2", lognormal, 512)


def _values(random: np.random.Generator, shape: tuple[int, ...], expected: ModelInput) -> Array:
    if expected.is_floating:
        return random.standard_normal(shape).round(_DECIMALS)
    # The metadata does not say how many symbols a model knows: ids 0 and 1 are in every alphabet.
    return random.integers(0, 2, shape)
