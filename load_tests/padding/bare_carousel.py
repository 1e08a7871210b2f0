"""The carousel as a loop and no more: what cutting into ticks costs on this machine before it is a server.

It waits for nobody, answers nobody, and knows no deadline, urgency, failure, session or metric.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from service.backends.onnxruntime_backend import OnnxRuntimeBackend
from service.batching.padding import row_output
from service.domain.batches import Batch
from service.domain.tensors import Array
from service.repository.scanner import Bundle

SEATS = 64
CHUNK = 16


@dataclass(slots=True)
class _Rider:
    sequence: Array
    seat: int
    outputs: list[Array] = field(default_factory=list)
    done: int = 0


class BareCarousel:
    """Every tick runs the next 16 steps of the first 64 sequences that are not at their end."""

    def __init__(self, bundle: Bundle) -> None:
        self._signature = bundle.manifest.signature
        self._backend = OnnxRuntimeBackend()
        self._backend.load(bundle.artifact)

    async def all_at_once(self, sequences: list[Array]) -> list[Array]:
        riders: list[_Rider] = []
        on_board: list[_Rider] = []
        seats = list(range(SEATS))
        states = [np.zeros((SEATS, *state.shape), np.float32) for state in self._signature.states]
        while len(riders) < len(sequences) or on_board:
            for sequence in sequences[len(riders) : len(riders) + len(seats)]:
                riders.append(_Rider(sequence, seats.pop()))
                on_board.append(riders[-1])
                for state in states:
                    state[riders[-1].seat] = 0
            self._tick(on_board, states)
            seats += [rider.seat for rider in on_board if rider.done == len(rider.sequence)]
            on_board = [rider for rider in on_board if rider.done < len(rider.sequence)]
        every_step = self._signature.has_step_outputs
        return [np.concatenate(rider.outputs) if every_step else rider.outputs[-1] for rider in riders]

    def _tick(self, on_board: list[_Rider], states: list[Array]) -> None:
        chunks = [rider.sequence[rider.done : rider.done + CHUNK] for rider in on_board]
        lengths = np.array([len(chunk) for chunk in chunks], np.int32)
        sequence = np.zeros((int(lengths.max()), len(chunks), *chunks[0].shape[1:]), chunks[0].dtype)
        for row, chunk in enumerate(chunks):
            sequence[: len(chunk), row] = chunk
        taken = np.array([rider.seat for rider in on_board])
        result = self._backend.run(Batch(sequence, lengths, tuple([state[taken] for state in states])))
        for state, after in zip(states, result.states, strict=True):
            state[taken] = after
        for row, (rider, chunk) in enumerate(zip(on_board, chunks, strict=True)):
            rider.outputs.append(row_output(result, self._signature, row, len(chunk)))
            rider.done += len(chunk)
