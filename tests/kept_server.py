"""A server of one table of sessions, with a carousel that a test turns, over a store that it shares."""

from __future__ import annotations

import asyncio

import numpy as np
from prometheus_client import CollectorRegistry
from session_bench import SessionBench

from service.domain.tensors import Array
from service.sessions.handover import hand_over
from service.sessions.persistence import Persistence
from service.sessions.session import Session
from service.sessions.stores.memory import MemoryStore
from service.telemetry.metrics import Metrics, SaveMetrics


class KeptServer:
    """Whoever is asked for a session gives it up at its next beat, and nobody waits for that."""

    def __init__(self, store: MemoryStore, save_s: float) -> None:
        self._store = store
        self._serve(SessionBench())
        self.registry = CollectorRegistry()
        metrics = SaveMetrics(Metrics(self.registry))
        self.persistence = Persistence(store, metrics, save_s, longest_wait_s=0.0)

    def _serve(self, bench: SessionBench) -> None:
        # The store forgets by the time of day.
        bench.sessions._unix_now = self._store._now
        self.bench, self.sessions = bench, bench.sessions

    def reload(self) -> None:
        """Another version takes over."""
        before = self.sessions
        self._serve(SessionBench())
        hand_over(before, self.sessions)

    async def open(self, identity: str) -> Session:
        session = self.sessions.open(identity)
        try:
            await self.persistence.keep(self.sessions, session)
        except BaseException:
            self.sessions.end(session, "failed")
            raise
        return session

    async def step(self, identity: str, number: int, steps: Array) -> Array:
        """Its output, once the session is here."""
        if identity not in self.sessions:
            await self.persistence.resume(self.sessions, identity)
        asked = self.bench.ask(self.sessions.find(identity), steps, number=number)
        while not asked.done():
            await self.bench.drain()
        _, answers = await asked
        return np.array(answers[0].output)

    async def beat(self) -> None:
        """And give up what others have asked for."""
        assert self.persistence.upkeep is not None
        await self.persistence.upkeep.beat()
        await self.settle()

    async def flush(self) -> None:
        assert self.persistence.upkeep is not None
        await self.persistence.upkeep.keeping.flush()

    async def settle(self) -> None:
        """Until nothing that was begun goes on."""
        await self.persistence._turns.all_ended(10.0)

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"carousel_{name}", labels) or 0.0


async def both(*calls):
    """At the same time; what each returns or raises."""
    return await asyncio.gather(*calls, return_exceptions=True)
