"""The ways of batching that a scheduler competes with; they know all sequences beforehand."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from service.backends.onnxruntime_backend import OnnxRuntimeBackend
from service.batching.padding import PaddedBuffer, row_output
from service.batching.ticket import Ticket
from service.domain.tensors import Array
from service.repository.scanner import Bundle

ARRIVAL_ROWS = 64
ORACLE_ROWS = 32


class Direct:
    """The engine called from this thread, batch after batch: no queue, no thread hop, no metrics."""

    def __init__(self, bundle: Bundle) -> None:
        self._signature = bundle.manifest.signature
        self._backend = OnnxRuntimeBackend()
        self._backend.load(bundle.artifact)
        self._buffer = PaddedBuffer(self._signature)

    async def one_by_one(self, sequences: list[Array]) -> list[Array]:
        return self._answers(sequences, [[index] for index in range(len(sequences))])

    async def in_arrival_order(self, sequences: list[Array]) -> list[Array]:
        """As many as come, padded to their longest: what a batcher does that does not look at lengths."""
        return self._answers(sequences, list(slices(list(range(len(sequences))), ARRIVAL_ROWS)))

    async def sorted_by_length(self, sequences: list[Array]) -> list[Array]:
        """An oracle: it waits for all and sorts them, so next to nothing is padded."""
        order = sorted(range(len(sequences)), key=lambda index: len(sequences[index]))
        return self._answers(sequences, list(slices(order, ORACLE_ROWS)))

    def _answers(self, sequences: list[Array], batches: list[list[int]]) -> list[Array]:
        answers: dict[int, Array] = {}
        for indices in batches:
            tickets = [fresh_ticket(sequences[index]) for index in indices]
            result = self._backend.run(self._buffer.fill(tickets))
            for row, (index, ticket) in enumerate(zip(indices, tickets, strict=True)):
                answers[index] = row_output(result, self._signature, row, ticket.steps)
        return [answers[index] for index in range(len(sequences))]


def fresh_ticket(sequence: Array, arrived_s: float = 0.0) -> Ticket:
    """A ticket as the predictor makes it, for a sequence without history."""
    return Ticket(sequence, None, asyncio.get_running_loop().create_future(), arrived_s)


def slices(numbers: list[int], rows: int) -> Iterator[list[int]]:
    """So many at a time, in order."""
    for start in range(0, len(numbers), rows):
        yield numbers[start : start + rows]
