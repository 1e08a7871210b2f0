"""A batch whose states are on a device, as one that any engine can run: from the last checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from service.domain.batches import Batch, BatchResult
from service.domain.device_states import DeviceStates
from service.domain.tensors import Array

NOTHING: Array = np.empty((0, 0), np.float32)
"""The output of no rows, whatever the readout."""


class Replay:
    """Runs what a device's rows hold again, and then the batch's own steps, in one batch: `batch`."""

    def __init__(self, batch: Batch, states: DeviceStates) -> None:
        self._own = batch
        self._has_step_outputs = states.has_step_outputs
        self._before = states.before or states.read
        self._skipped = np.array([state.steps for state in self._before], np.int32)
        self.batch = self._whole(batch.lengths if states.before else np.zeros_like(self._skipped))

    def result(self, whole: BatchResult) -> BatchResult:
        """What the batch itself is due: without the outputs of the steps that were run again."""
        if not self._own.rows:
            return replace(whole, output=NOTHING, states=(), read=whole.states)
        if not self._has_step_outputs or not self._skipped.any():
            return whole
        shape = (self._own.padded_steps, self._own.rows, *whole.output.shape[2:])
        output = np.zeros(shape, whole.output.dtype)
        for row, (skipped, steps) in enumerate(zip(self._skipped, self._own.lengths, strict=True)):
            output[:steps, row] = whole.output[skipped : skipped + steps, row]
        return replace(whole, output=output)

    def _whole(self, own: Array) -> Batch:
        lengths = self._skipped + own
        kind, step = self._own.sequence.dtype, self._own.sequence.shape[2:]
        sequence = np.zeros((int(lengths.max()), len(lengths), *step), kind)
        for row, (state, steps) in enumerate(zip(self._before, own, strict=True)):
            if state.steps:
                sequence[: state.steps, row] = np.concatenate(state.inputs)
            if steps:
                sequence[state.steps : state.steps + steps, row] = self._own.sequence[:steps, row]
        return Batch(sequence, lengths, stacked([state.checkpoint for state in self._before]))


def stacked(rows: Sequence[tuple[Array, ...]]) -> tuple[Array, ...]:
    """Each state's rows side by side, `[rows, *shape]`."""
    return tuple(np.stack(state) for state in zip(*rows, strict=True))
