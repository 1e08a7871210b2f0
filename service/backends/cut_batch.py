"""A batch of rows of different lengths in several calls, so that next to nothing is computed for padding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from service.domain.batches import Batch, BatchResult, Cuts
from service.domain.tensors import Array

Run: TypeAlias = Callable[[Batch], BatchResult]


def run_cut(run: Run, batch: Batch, cuts: Cuts) -> BatchResult:
    """Each call goes on with the rows that have steps left; raises what one of them does."""
    # The longest first: whoever goes on is in front, and to pick him out is a view.
    order = np.argsort(-batch.lengths, kind="stable")
    sorted_batch = Batch(
        batch.sequence.take(order, axis=1),
        batch.lengths.take(order),
        tuple([state.take(order, axis=0) for state in batch.states]),
    )
    result = _run_sorted(run, sorted_batch, cuts)
    place = np.argsort(order)
    return replace(
        result,
        output=result.output.take(place, axis=1 if cuts.has_step_outputs else 0),
        states=tuple([state.take(place, axis=0) for state in result.states]),
    )


def _run_sorted(run: Run, batch: Batch, cuts: Cuts) -> BatchResult:
    """The same of rows of falling lengths, whose states are written over."""
    output, compute_s, row_steps = np.empty(0, np.float32), 0.0, 0
    bounds = (0, *cuts.after, batch.padded_steps)
    for first, end in pairwise(bounds):
        rows = int(np.count_nonzero(batch.lengths > first))
        states = tuple([state[:rows] for state in batch.states])
        steps = np.minimum(batch.lengths[:rows], end) - first
        result = run(Batch(batch.sequence[first:end, :rows], steps, states))
        # Copied at once: the next call may write over what this one returned.
        for state, after in zip(states, result.states, strict=True):
            state[:] = after
        if not first:
            output = _room_for(result.output, batch, cuts)
        (output[first:end, :rows] if cuts.has_step_outputs else output[:rows])[:] = result.output
        compute_s += result.compute_s
        row_steps += (end - first) * rows
    return replace(
        result,
        output=output,
        states=batch.states,
        compute_s=compute_s,
        cut_row_steps=row_steps,
        calls=len(bounds) - 1,
    )


def _room_for(first_output: Array, batch: Batch, cuts: Cuts) -> Array:
    """`[batch, …]`, or `[time, batch, …]` with zeros where a row is left out."""
    shape = (batch.padded_steps, *first_output.shape[1:]) if cuts.has_step_outputs else first_output.shape
    return np.zeros(shape, first_output.dtype)
