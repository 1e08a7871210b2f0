"""A batch's result, to each row what is its own; and everything that is counted of a batch."""

from __future__ import annotations

import numpy as np

from service.batching.padding import row_output
from service.batching.ticket import RowResult, Ticket
from service.domain.batches import BatchResult
from service.domain.clock import Clock
from service.domain.signature import Signature
from service.errors import EngineFailed
from service.telemetry.metrics import ModelMetrics


class HandingOut:
    """Resolves tickets and counts their batch."""

    def __init__(self, signature: Signature, metrics: ModelMetrics, clock: Clock) -> None:
        self._signature = signature
        self._metrics = metrics
        self._clock = clock

    def hand_out(self, tickets: list[Ticket], result: BatchResult, row_steps: int, batch_s: float) -> None:
        """Answer every ticket of a batch that took `batch_s` from forming to answer."""
        started_s = self._clock.now()
        for row, ticket in enumerate(tickets):
            self._settle(ticket, row, result, batch_s, len(tickets))
        handing_s = self._clock.now() - started_s
        self._metrics.statistics.batch_ran(len(tickets), batch_s, result.compute_s, handing_s)
        steps = [ticket.steps for ticket in tickets]
        waits_s = [ticket.started_s - ticket.arrived_s for ticket in tickets]
        self._metrics.batch_ran(result.device, result.compute_s, row_steps, steps)
        self._metrics.sequences_ended(result.device, steps, waits_s)

    def _settle(self, ticket: Ticket, row: int, result: BatchResult, batch_s: float, rows: int) -> None:
        output = row_output(result, self._signature, row, ticket.steps)
        if not result.is_finite and not np.isfinite(output).all():
            ticket.fail(EngineFailed("the engine's output is not finite for this sequence"))
            return
        ticket.resolve(
            RowResult(
                output,
                tuple(state[row] for state in result.states),
                result.device,
                result.is_degraded,
                ticket.started_s - ticket.arrived_s,
                batch_s,
                result.compute_s,
                rows,
            )
        )
