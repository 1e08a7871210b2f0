"""A batch of rows of different lengths in several calls, so that next to nothing is computed for padding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from service.domain.batches import Batch, BatchResult, Cuts

Run: TypeAlias = Callable[[Batch], BatchResult]


def run_cut(run: Run, batch: Batch, cuts: Cuts) -> BatchResult:
    """Each call goes on with the rows that have steps left; raises what one of them does."""
    first, row_steps = cuts.after[0], cuts.after[0] * batch.rows
    ran = [run(batch.ragged(0, first, batch.states)[1])]
    # Copies: what a backend returns need not be for others to write into.
    states = tuple([state.copy() for state in ran[0].states])
    if cuts.has_step_outputs:
        output = np.zeros((batch.padded_steps, *ran[0].output.shape[1:]), ran[0].output.dtype)
        output[:first] = ran[0].output
    else:
        output = ran[0].output.copy()
    for end in (*cuts.after[1:], batch.padded_steps):
        rows, part = batch.ragged(first, end, states)
        ran.append(run(part))
        for state, after in zip(states, ran[-1].states, strict=True):
            state[rows] = after
        if cuts.has_step_outputs:
            output[first:end, rows] = ran[-1].output
        else:
            output[rows] = ran[-1].output
        first, row_steps = end, row_steps + (end - first) * len(rows)
    return replace(
        ran[-1],
        output=output,
        states=states,
        compute_s=sum(result.compute_s for result in ran),
        cut_row_steps=row_steps,
        calls=len(ran),
    )
