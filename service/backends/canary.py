"""A batch whose answer is known, to find out whether an engine works."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from service.domain.batches import Batch, BatchResult
from service.domain.tensors import Array


@dataclass(frozen=True, slots=True)
class Canary:
    """A lone sequence, the output due for it, and how far off an answer may be."""

    batch: Batch
    due: Array
    tolerance: float

    def fault(self, result: BatchResult) -> str | None:
        """What is wrong with the answer to the canary; None where it is right."""
        if result.output.shape != self.due.shape:
            return f"gives the shape {list(result.output.shape)}, due is {list(self.due.shape)}"
        off = float(np.abs(result.output - self.due).max())
        # Not a number is larger than nothing.
        if not off <= self.tolerance:
            return f"is off by {off:.2g}, its tolerance is {self.tolerance:.2g}"
        return None
