"""Rows of different length into one reused buffer, and back."""

from __future__ import annotations

import numpy as np

from service.batching.ticket import Ticket
from service.domain.batches import Batch, BatchResult
from service.domain.signature import Signature
from service.domain.tensors import Array


class PaddedBuffer:
    """The memory one engine's batches are formed in, grown as needed and used again for each batch."""

    def __init__(self, signature: Signature) -> None:
        self._signature = signature
        self._steps = np.empty(0, dtype=signature.step_datatype.dtype)
        self._states = [np.zeros((0, *state.shape), dtype=np.float32) for state in signature.states]

    def fill(self, tickets: list[Ticket]) -> Batch:
        """Lay the tickets' sequences side by side, `[time, batch, *step]`; valid until the next fill."""
        rows = len(tickets)
        steps = [ticket.steps for ticket in tickets]
        lengths = np.array(steps, dtype=np.int32)
        states = tuple(self._fill_states(tickets))
        if rows == 1:
            return Batch(tickets[0].sequence[:, np.newaxis], lengths, states)
        sequence = self._view(max(steps), rows)
        # The padding of all rows lies behind this: one call, not one more for each row.
        sequence[min(steps) :] = 0
        for row, ticket in enumerate(tickets):
            sequence[: ticket.steps, row] = ticket.sequence
        return Batch(sequence, lengths, states)

    def _view(self, padded_steps: int, rows: int) -> Array:
        shape = (padded_steps, rows, *self._signature.step_shape)
        size = int(np.prod(shape))
        if self._steps.size < size:
            self._steps = np.empty(size, dtype=self._steps.dtype)
        return self._steps[:size].reshape(shape)

    def _fill_states(self, tickets: list[Ticket]) -> list[Array]:
        rows = len(tickets)
        self._states = [_grown(buffer, rows) for buffer in self._states]
        filled = [buffer[:rows] for buffer in self._states]
        for index, view in enumerate(filled):
            view[:] = 0
            for row, ticket in enumerate(tickets):
                if ticket.states is not None:
                    view[row] = ticket.states[index]
        return filled


def _grown(buffer: Array, rows: int) -> Array:
    return buffer if len(buffer) >= rows else np.zeros((rows, *buffer.shape[1:]), dtype=buffer.dtype)


def row_output(result: BatchResult, signature: Signature, row: int, steps: int) -> Array:
    """One row's own output: `[*output]`, or `[steps, *output]` where every step has one."""
    return result.output[:steps, row] if signature.has_step_outputs else result.output[row]
