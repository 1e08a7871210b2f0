"""How a forecast goes on from itself: what was forecast becomes part of the next step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from service.domain.signature import Signature
from service.domain.tensors import Array, Shape


class FeedbackLoop:
    """Of a step, the positions `step` along its first axis take what the output has at `output`.

    `known` are the others, in rising order: what they hold is known in advance.
    """

    def __init__(self, signature: Signature, step: Sequence[int], output: Sequence[int]) -> None:
        self._signature = signature
        self._step, self._output = list(step), list(output)
        self.known = sorted(set(range(signature.step_shape[0])) - set(step))

    @property
    def known_shape(self) -> Shape:
        """Of what must be known of one step."""
        return (len(self.known), *self._signature.step_shape[1:])

    def next_step(self, output: Array, known: Array) -> Array:
        """`[1, *step]` from the output `[*output]` and `known [*known_shape]`."""
        step = np.empty((1, *self._signature.step_shape), self._signature.step_datatype.dtype)
        step[0, self._step] = output[self._output]
        step[0, self.known] = known
        return step
