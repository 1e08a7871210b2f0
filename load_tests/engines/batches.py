"""What every contender runs: batches of rows that are all equally long, and what is due for them."""

from __future__ import annotations

import itertools
import math

import numpy as np

from service.domain.batches import Batch
from service.domain.signature import Signature
from service.domain.tensors import Array
from service.repository.golden import GoldenVectors

# So many different sequences; more rows repeat them, so that all rows are checked for the price of these.
DISTINCT = 16

# How many float32 numbers per cell, row and step an LSTM holds at once: gates, outputs, their copies.
_HELD_PER_CELL = 6
# The cells of a model that does not expose its state, for want of better knowledge.
_UNKNOWN_CELLS = 1024


def sequences(signature: Signature, golden: GoldenVectors, steps: int) -> Array:
    """`[steps, DISTINCT, *step]`: parts of the bundle's real sequences, or noise where it has none."""
    if not golden.sequences:
        return _noise(signature, steps)
    real = np.concatenate(golden.sequences)
    starts = np.linspace(0, len(real), DISTINCT, endpoint=False, dtype=int)
    places = (starts[None, :] + np.arange(steps)[:, None]) % len(real)
    return real[places].astype(signature.step_datatype.dtype)


def _noise(signature: Signature, steps: int) -> Array:
    random = np.random.default_rng(11)
    shape = (steps, DISTINCT, *signature.step_shape)
    if signature.step_datatype.is_floating:
        return random.standard_normal(shape).astype(signature.step_datatype.dtype)
    return random.integers(signature.symbol_count or 1, size=shape).astype(signature.step_datatype.dtype)


def batch_of(signature: Signature, distinct: Array, rows: int) -> Batch:
    """A batch of fresh sequences: row `i` is the distinct sequence `i mod DISTINCT`."""
    steps = len(distinct)
    return Batch(
        np.ascontiguousarray(np.take(distinct, np.arange(rows) % DISTINCT, axis=1)),
        np.full(rows, steps, dtype=np.int32),
        tuple(np.zeros((rows, *state.shape), dtype=np.float32) for state in signature.states),
    )


def difference(signature: Signature, given: Array, due: Array) -> float:
    """The largest absolute difference of an output from what is `due` for the DISTINCT sequences.

    NaN where either is not finite.
    """
    axis = 1 if signature.has_step_outputs else 0
    rows = given.shape[axis]
    # Group by group, so that no second array as large as the output is made.
    worst = 0.0
    for start in range(0, rows, DISTINCT):
        places = np.arange(start, min(rows, start + DISTINCT))
        off = np.abs(np.take(given, places, axis=axis) - np.take(due, places - start, axis=axis))
        worst = float(np.maximum(worst, off.max()))
    return worst


def batch_bytes(signature: Signature, rows: int, steps: int, computes_here: bool) -> int:
    """About how much of the host's memory a run takes, and what the CPU holds while it computes."""
    outputs = math.prod(signature.output_shape) * (steps if signature.has_step_outputs else 1)
    cells = math.fsum(math.prod(state.shape) for state in signature.states) / 2 or _UNKNOWN_CELLS
    held = _HELD_PER_CELL * 4 * int(cells) * steps * computes_here
    return rows * (2 * signature.step_bytes * steps + 4 * outputs + held)


def doubling(least: int, most: int) -> tuple[int, ...]:
    """`least`, twice that, and so on, and `most`."""
    rising = itertools.takewhile(lambda value: value < most, (least << place for place in itertools.count()))
    return (*rising, most)
