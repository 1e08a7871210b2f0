"""Which rows of a device's table the rows of a piece come from, and where they go."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from service.backends.cuda import Stream
from service.backends.tensorrt_buffers import BufferSet
from service.backends.tensorrt_pieces import Piece
from service.domain.batches import Batch
from service.domain.device_states import ResidentState
from service.domain.signature import StateSpec
from service.domain.tensors import Array

ZEROS = 0
"""The row that is zeros for ever: where a fresh sequence starts, and what pads a batch."""
NOWHERE = -1
"""For a row that is not to be moved."""


class DeviceMoves:
    """Fills in a piece's places; a piece that goes on, or carries its states, comes from nowhere."""

    def __init__(self, states: Sequence[StateSpec]) -> None:
        self._states = states

    def copy_in(self, piece: Piece, batch: Batch, buffers: BufferSet, stream: Stream) -> None:
        """Queue the places, and what states come from the host."""
        padded, count = (piece.padded_rows,), piece.row_count
        sources, targets = buffers.sources.host(padded), buffers.targets.host(padded)
        sources[:] = targets[:] = NOWHERE
        states = batch.device_states
        if states is not None:
            if not piece.goes_on:
                sources[:count] = np.array([place_of(state) for state in states.before], np.int32)[piece.rows]
                sources[count:] = ZEROS
                self._upload(piece, batch, sources[:count], buffers, stream)
            rows = [NOWHERE if row is None else row.index for row in states.targets]
            targets[:count] = np.array(rows, np.int32)[piece.rows]
        buffers.sources.copy_in(padded, padded, stream)
        buffers.targets.copy_in(padded, padded, stream)

    def _upload(self, piece: Piece, batch: Batch, sources: Array, buffers: BufferSet, stream: Stream) -> None:
        uploaded = np.flatnonzero(sources == NOWHERE)
        if batch.device_states is None or not len(uploaded):
            return
        before, rows = batch.device_states.before, np.arange(batch.rows)[piece.rows]
        for index, spec in enumerate(self._states):
            # No further than the last that is uploaded: the others are written over.
            filled = (int(uploaded[-1]) + 1, *spec.shape)
            held = buffers.tensors[spec.input].host(filled)
            for place in uploaded.tolist():
                held[place] = before[rows[place]].checkpoint[index]
            buffers.tensors[spec.input].copy_in(filled, filled, stream)


def place_of(state: ResidentState) -> int:
    """The row of the table that holds a state; NOWHERE where it has to be brought there."""
    if state.is_fresh:
        return ZEROS
    return NOWHERE if state.row is None else state.row.index
