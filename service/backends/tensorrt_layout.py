"""Where a batch's numbers lie in a plan's tensors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from service.backends.cuda import Stream
from service.backends.tensorrt_buffers import BufferSet
from service.backends.tensorrt_pieces import Piece
from service.backends.tensorrt_runtime import PlanTensor, TensorRtFailed
from service.domain.batches import Batch
from service.domain.signature import LENGTHS, OUTPUT, SEQUENCE, Signature
from service.domain.tensors import Array, Shape
from service.errors import EngineFailed

_INT32, _FLOAT32 = np.dtype(np.int32), np.dtype(np.float32)


@dataclass(slots=True)
class Answer:
    """A batch's results as they come in, in memory that is the caller's for good."""

    output: Array
    states: tuple[Array, ...]
    compute_s: float = 0.0


class PlanLayout:
    """The sequence graph's tensors in a plan; raises TensorRtFailed where the plan has others."""

    def __init__(self, signature: Signature, tensors: dict[str, PlanTensor]) -> None:
        self._step = signature.step_shape
        self._states = signature.states
        self._has_step_outputs = signature.has_step_outputs
        expected = _expected(signature)
        if tensors.keys() != expected.keys():
            names = ", ".join(sorted(tensors))
            raise TensorRtFailed(f"the plan's tensors: expected {', '.join(sorted(expected))}, got {names}")
        for name, (leading, tensor) in expected.items():
            _check(tensors[name], leading, tensor)
        self.dtypes = {name: tensor.dtype for name, tensor in tensors.items()}
        self.inputs = frozenset(name for name, tensor in tensors.items() if tensor.is_input)
        self._output = tensors[OUTPUT].shape[2 if self._has_step_outputs else 1 :]

    def check(self, batch: Batch) -> None:
        """Raise EngineFailed where a batch is not the model's: TensorRT would not notice."""
        if batch.sequence.shape[2:] != self._step:
            raise EngineFailed(
                f"sequence: expected steps of shape {self._step}, got {batch.sequence.shape[2:]}"
            )
        if batch.lengths.shape != (batch.rows,) or not batch.rows:
            raise EngineFailed(
                f"lengths: expected one per row, got {batch.lengths.shape} for {batch.rows} rows"
            )
        if batch.lengths.min() < 1 or batch.lengths.max() > batch.padded_steps:
            raise EngineFailed(f"lengths: expected 1 to {batch.padded_steps}, got {batch.lengths.tolist()}")
        found = [state.shape for state in batch.states]
        if batch.device_states is not None:
            found = [(len(batch.device_states.before), *state.shape) for state in self._states]
        if found != [(batch.rows, *state.shape) for state in self._states]:
            raise EngineFailed(f"states: expected one row of each per sequence, got {found}")

    def shapes(self, piece: Piece) -> dict[str, Shape]:
        """Every tensor's shape in this piece."""
        steps, rows = piece.padded_steps, piece.padded_rows
        states = {name: (rows, *spec.shape) for spec in self._states for name in (spec.input, spec.output)}
        output = self._output_of(steps, rows)
        return {SEQUENCE: (steps, rows, *self._step), LENGTHS: (rows,), OUTPUT: output, **states}

    def fill(self, piece: Piece, batch: Batch, buffers: BufferSet) -> None:
        """Lay the piece's rows into pinned memory; rows that only pad are one zero step long."""
        count, rows = piece.row_count, piece.padded_rows
        sequence = buffers.tensors[SEQUENCE].host((piece.steps, rows, *self._step))
        sequence[:, :count] = batch.sequence[piece.span, piece.rows]
        sequence[:, count:] = 0
        lengths = buffers.tensors[LENGTHS].host((rows,))
        lengths[:count] = np.minimum(batch.lengths[piece.rows] - piece.start, piece.steps)
        lengths[count:] = 1
        if _has_states_of(piece, batch):
            for spec, state in zip(self._states, batch.states, strict=True):
                buffers.tensors[spec.input].host((count, *spec.shape))[:] = state[piece.rows]

    def copy_in(self, piece: Piece, batch: Batch, buffers: BufferSet, stream: Stream) -> None:
        """Queue what was filled for the device, and zeros for the rest."""
        tensors, shapes = buffers.tensors, self.shapes(piece)
        tensors[SEQUENCE].copy_in(shapes[SEQUENCE], (piece.steps, *shapes[SEQUENCE][1:]), stream)
        tensors[LENGTHS].copy_in(shapes[LENGTHS], shapes[LENGTHS], stream)
        if _has_states_of(piece, batch):
            for spec in self._states:
                tensors[spec.input].copy_in(shapes[spec.input], (piece.row_count, *spec.shape), stream)

    def carry_states(self, piece: Piece, buffers: BufferSet, stream: Stream) -> None:
        """Queue what the piece before left in these buffers as this one's states: they stay on the device."""
        for spec in self._states:
            shape, filled = (piece.padded_rows, *spec.shape), (piece.row_count, *spec.shape)
            buffers.tensors[spec.input].copy_from(buffers.tensors[spec.output], shape, filled, stream)

    def copy_out(self, piece: Piece, batch: Batch, buffers: BufferSet, stream: Stream) -> None:
        """Queue the results for pinned memory."""
        buffers.tensors[OUTPUT].copy_out(self._returned(piece), stream)
        if _leaves_states(batch):
            return
        for spec in self._states:
            buffers.tensors[spec.output].copy_out((piece.row_count, *spec.shape), stream)

    def answer(self, batch: Batch) -> Answer:
        """Zeros for a batch's results: `output` `[batch, …]` or `[time, batch, …]`, and its states."""
        output = np.zeros(self._output_of(batch.padded_steps, batch.rows), _FLOAT32)
        if _leaves_states(batch):
            return Answer(output, ())
        return Answer(output, tuple(np.zeros((batch.rows, *spec.shape), _FLOAT32) for spec in self._states))

    def collect(self, piece: Piece, buffers: BufferSet, answer: Answer) -> None:
        """Copy a piece's results out of pinned memory, which the next piece uses again."""
        output = buffers.tensors[OUTPUT].host(self._returned(piece))
        if self._has_step_outputs:
            answer.output[piece.span, piece.rows] = output[:, : piece.row_count]
        else:
            answer.output[piece.rows] = output
        # None where they stay on the device.
        for spec, state in zip(self._states, answer.states, strict=False):
            state[piece.rows] = buffers.tensors[spec.output].host((piece.row_count, *spec.shape))

    def _output_of(self, steps: int, rows: int) -> Shape:
        return (steps, rows, *self._output) if self._has_step_outputs else (rows, *self._output)

    def _returned(self, piece: Piece) -> Shape:
        """The leading part of the output that is not padding only."""
        rows = piece.padded_rows if self._has_step_outputs else piece.row_count
        return self._output_of(piece.steps, rows)


def _has_states_of(piece: Piece, batch: Batch) -> bool:
    """Whether the batch carries the states that the piece starts from."""
    return not piece.goes_on and batch.device_states is None


def _leaves_states(batch: Batch) -> bool:
    """Whether the new states stay on the device."""
    return batch.device_states is not None and not batch.device_states.returns_states


def _expected(signature: Signature) -> dict[str, tuple[int, PlanTensor]]:
    """Each tensor, its shape per row or step, and the number of axes before it, which vary."""
    tensors = [
        (2, PlanTensor(SEQUENCE, True, signature.step_datatype.dtype, signature.step_shape)),
        (1, PlanTensor(LENGTHS, True, _INT32, ())),
        (2 if signature.has_step_outputs else 1, PlanTensor(OUTPUT, False, _FLOAT32, ())),
    ]
    for state in signature.states:
        tensors.append((1, PlanTensor(state.input, True, _FLOAT32, state.shape)))
        tensors.append((1, PlanTensor(state.output, False, _FLOAT32, state.shape)))
    return {tensor.name: (leading, tensor) for leading, tensor in tensors}


def _check(found: PlanTensor, leading: int, due: PlanTensor) -> None:
    if (found.is_input, found.dtype) != (due.is_input, due.dtype):
        way = "input" if due.is_input else "output"
        raise TensorRtFailed(f"tensor {found.name}: expected an {way} of {due.dtype}, got {found}")
    shape = found.shape[leading:]
    is_due = min(shape, default=1) > 0 if due.name == OUTPUT else shape == due.shape
    if not is_due:
        raise TensorRtFailed(
            f"tensor {found.name}: expected {due.shape} after {leading} axes, got {found.shape}"
        )
