"""The contract's own promises: batched == alone whatever pads a row, chunked == whole."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from model_export.onnx_import.trial import Trial, difference
from service.domain.batches import BatchResult
from service.domain.signature import Readout
from service.domain.tensors import Array

_LENGTHS = [7, 1, 4, 6]
_CUTS = (0, 1, 4, 7)


def contract_differences(trial: Trial) -> Iterator[tuple[str, float]]:
    """Each promise, and how far the imported model is from keeping it."""
    yield "a row in a padded batch differs from that row alone", _batched_against_alone(trial)
    if trial.imported.causal:
        yield "a sequence cut into chunks differs from the whole", _chunked_against_whole(trial)


def _batched_against_alone(trial: Trial) -> float:
    sequence = trial.sequence(max(_LENGTHS), len(_LENGTHS))
    states = trial.states(len(_LENGTHS))
    padded = sequence.copy()
    for row, length in enumerate(_LENGTHS):
        padded[length:, row] = trial.padding(max(_LENGTHS) - length)
    batched = trial.run(padded, _LENGTHS, states)
    worst = 0.0
    for row, length in enumerate(_LENGTHS):
        own = tuple(state[row : row + 1] for state in states)
        alone = trial.run(sequence[:length, row : row + 1], [length], own)
        worst = max(worst, *_row_differences(trial, batched, alone, row, length))
    return worst


def _row_differences(
    trial: Trial, batched: BatchResult, alone: BatchResult, row: int, length: int
) -> Iterator[float]:
    if trial.imported.output.readout is Readout.LAST:
        yield difference(batched.output[row], alone.output[0])
    else:
        yield difference(batched.output[:length, row], alone.output[:, 0])
    for together, single in zip(batched.states, alone.states, strict=True):
        yield difference(together[row], single[0])


def _chunked_against_whole(trial: Trial) -> float:
    steps, rows = _CUTS[-1], 2
    sequence = trial.sequence(steps, rows)
    whole = trial.run(sequence, [steps] * rows, trial.states(rows, scale=0))
    states, outputs = trial.states(rows, scale=0), list[Array]()
    for start, end in pairwise(_CUTS):
        part = trial.run(sequence[start:end], [end - start] * rows, states)
        outputs.append(part.output)
        states = part.states
    is_last = trial.imported.output.readout is Readout.LAST
    worst = difference(outputs[-1] if is_last else np.concatenate(outputs), whole.output)
    return max(worst, *map(difference, states, whole.states))
