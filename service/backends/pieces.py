"""A long batch in pieces, so that it can make room: without a way over the event loop between two of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from service.domain.batches import Batch, BatchResult, Breaks
from service.domain.tensors import Array

Run: TypeAlias = Callable[[Batch], BatchResult]


class Pieces:
    """Each piece goes on from the states in which the one before it ended."""

    def __init__(self, run: Run, batch: Batch, breaks: Breaks) -> None:
        """Run the first piece; raises what it does."""
        self._run = run
        self._batch = batch
        self._breaks = breaks
        self._results = [self._next(batch.states)]
        self._has_failed = False

    @property
    def is_over(self) -> bool:
        """At the batch's end, or where somebody wants a break, or behind a failure."""
        breaks = self._breaks
        return self._has_failed or breaks.done >= self._batch.padded_steps or breaks.is_wanted()

    def run_next(self) -> None:
        """What fails is left to the next batch: what was run before it counts."""
        try:
            self._results.append(self._next(self._results[-1].states))
        except Exception:  # noqa: BLE001 - the next batch begins with it, and has it reported
            self._has_failed = True

    def result(self) -> BatchResult:
        """Of all that was run."""
        results = self._results
        outputs = [result.output for result in results] if self._breaks.has_step_outputs else []
        return replace(
            results[-1],
            output=np.concatenate(outputs) if len(outputs) > 1 else results[-1].output,
            compute_s=sum(result.compute_s for result in results),
            ran_steps=self._breaks.done,
            calls=len(results),
        )

    def _next(self, states: tuple[Array, ...]) -> BatchResult:
        done = self._breaks.done
        piece = self._batch.steps(done, done + self._breaks.every, states)
        result = self._run(piece)
        self._breaks.done = done + piece.padded_steps
        return result


def run_in_pieces(run: Run, batch: Batch, breaks: Breaks) -> BatchResult:
    """To the batch's end, or to the first break that is wanted."""
    pieces = Pieces(run, batch, breaks)
    while not pieces.is_over:
        pieces.run_next()
    return pieces.result()
