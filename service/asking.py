"""A request's sequences as tickets: checked, queued all or none, and waited for together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import repeat

from service.batching.slot import FRESH, Slot
from service.batching.ticket import RowResult, Ticket
from service.domain.clock import Clock
from service.domain.inference import InferRequest
from service.domain.sequences import checked_sequence, named
from service.errors import BodyTooLarge, DeadlineExceeded, InvalidRequest
from service.repository.served_model import ServedModel
from service.settings import Settings


class Asking:
    """One ticket a row, with the request's deadline."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock

    async def answers(
        self, model: ServedModel, request: InferRequest, arrived_s: float, slots: Sequence[Slot] = ()
    ) -> list[RowResult]:
        """One for each sequence, which goes on from the state in its slot; raises the CarouselError that says
        why not.
        """
        timeout_s = self.timeout_s(request)
        tickets = self._tickets(model, request, arrived_s, arrived_s + timeout_s, slots)
        model.scheduler.submit(tickets)
        if request.trace is not None:
            request.trace.accepted(tickets, model.manifest.name, model.manifest.version)
        for ticket in tickets:
            ticket.expiry = self._clock.call_at(ticket.deadline_s, ticket.expire)
        return await _answers(tickets)

    def _tickets(
        self,
        model: ServedModel,
        request: InferRequest,
        arrived_s: float,
        deadline_s: float,
        slots: Sequence[Slot],
    ) -> list[Ticket]:
        self.check_rows(len(request.sequences))
        loop = asyncio.get_running_loop()
        checked = [
            checked_sequence(values, model.signature, self._settings.max_sequence_steps, field)
            for field, values in named(request.sequences)
        ]
        return [
            Ticket(
                sequence,
                None,
                loop.create_future(),
                arrived_s,
                request.is_abandoned,
                deadline_s,
                request.priority,
                request.held_bytes // len(checked),
                slot,
            )
            for sequence, slot in zip(checked, slots or repeat(FRESH, len(checked)), strict=True)
        ]

    def timeout_s(self, request: InferRequest) -> float:
        """What the request may take; raises DeadlineExceeded where it may take nothing."""
        timeout_s = self._settings.default_timeout_s if request.timeout_s is None else request.timeout_s
        if timeout_s <= 0:
            raise DeadlineExceeded("timeout: the deadline had passed when the request arrived")
        return timeout_s

    def check_rows(self, rows: int) -> None:
        """Raises InvalidRequest or BodyTooLarge."""
        if rows == 0:
            raise InvalidRequest("sequences: is empty: a request has at least one sequence")
        if rows > self._settings.max_request_rows:
            raise BodyTooLarge(
                f"sequences: {rows} sequences, at most {self._settings.max_request_rows} are allowed"
            )


async def _answers(tickets: list[Ticket]) -> list[RowResult]:
    """Wait for all; where one fails or the caller leaves, the others need not run."""
    try:
        return [await ticket.future for ticket in tickets]
    except BaseException:
        # Whoever keeps the failure keeps these frames, but no row on a device that another was answered with.
        while tickets:
            tickets.pop().abandon()
        raise
