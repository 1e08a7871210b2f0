"""A table of sessions on a carousel that a test turns by hand."""

from __future__ import annotations

import asyncio

import numpy as np
from bench import Bench

from service.batching.partition import BatchLimits
from service.batching.step_batcher import StepBatcher
from service.batching.ticket import Ticket
from service.domain.signature import Readout
from service.sessions.session import SessionLimits
from service.sessions.sessions import Sessions
from service.sessions.snapshot import Origin
from service.telemetry.metrics import Metrics

ROOMY = SessionLimits(max_sessions=100, max_bytes=1 << 20, idle_s=60.0, ttl_s=600.0)


class SessionBench(Bench):
    """Sessions of running sums on a carousel whose engine is stepped by hand."""

    def __init__(
        self,
        limits: SessionLimits = ROOMY,
        batches: BatchLimits = BatchLimits(64, 16_384),  # noqa: B008 - frozen
    ) -> None:
        super().__init__(Readout.EVERY_STEP, batches, kind=StepBatcher)
        registry = type(self.registry)()
        metrics = Metrics(registry).for_model("sums", "1")
        self._session_registry = registry
        self.sessions = Sessions(
            self.batcher.slots,
            limits,
            self.clock,
            metrics.sessions,
            Origin("sums", "1", "f" * 64, self.backend.signature),
            lambda: 1e9 + self.clock.now(),
        )

    def session_metric(self, name: str, **labels: str) -> float | None:
        return self._session_registry.get_sample_value(f"carousel_{name}", labels)

    def steps(self, count: int, seed: int = 0) -> np.ndarray:
        return np.random.default_rng(seed).integers(-4, 5, size=(count, 2)).astype(np.float32)

    def ask(self, session, *chunks, number=None, hold=None) -> asyncio.Task:
        async def run(slots):
            tickets = [
                Ticket(chunk, None, asyncio.get_running_loop().create_future(), self.clock.now(), slot=slot)
                for chunk, slot in zip(chunks, slots, strict=True)
            ]
            self.batcher.submit(tickets)
            try:
                return [await ticket.future for ticket in tickets]
            except BaseException:
                for ticket in tickets:
                    ticket.abandon()
                raise

        return asyncio.create_task(self.sessions.step(session, number, run, sum(map(len, chunks)), hold))

    async def answers(self, session, *chunks, number=None, hold=None):
        asked = self.ask(session, *chunks, number=number, hold=hold)
        await self.drain()
        return await asked
