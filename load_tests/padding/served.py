"""The real scheduler with its engine thread, driven from the event loop as the predictor does it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry

from load_tests.padding.contenders import fresh_ticket
from service.domain.clock import LoopClock
from service.domain.tensors import Array
from service.repository.loader import Loader
from service.repository.served_model import ServedModel
from service.settings import Settings
from service.telemetry.metrics import Metrics

CALLERS = 64


class Served:
    """A bundle in service: loaded, warmed and calibrated by the server's own loader."""

    def __init__(self, model: ServedModel, registry: CollectorRegistry) -> None:
        self.model = model
        self._scheduler = model.scheduler
        self._registry = registry

    def computed(self) -> tuple[float, float]:
        """Steps of sequences and steps of padding that the engine has run so far."""
        return self._counted("steps"), self._counted("padded_steps")

    def _counted(self, what: str) -> float:
        manifest = self.model.manifest
        labels = {"model": manifest.name, "version": manifest.version, "device": "cpu"}
        return self._registry.get_sample_value(f"carousel_{what}_total", labels) or 0.0

    async def all_at_once(self, sequences: list[Array]) -> list[Array]:
        """Every sequence waits before the first one runs."""
        tickets = [fresh_ticket(sequence, time.perf_counter()) for sequence in sequences]
        self._scheduler.submit(tickets)
        return [(await ticket.future).output for ticket in tickets]

    async def closed_loop(self, sequences: list[Array]) -> list[Array]:
        """So many callers, each sending its next sequence when it has its answer."""
        answers: dict[int, Array] = {}
        waiting = iter(enumerate(sequences))
        await asyncio.gather(*(self._call(waiting, answers) for _ in range(CALLERS)))
        return [answers[index] for index in range(len(sequences))]

    async def _call(self, waiting: Iterator[tuple[int, Array]], answers: dict[int, Array]) -> None:
        for index, sequence in waiting:
            ticket = fresh_ticket(sequence, time.perf_counter())
            self._scheduler.submit([ticket])
            answers[index] = (await ticket.future).output


@asynccontextmanager
async def served(folder: Path, *, is_whole: bool = False) -> AsyncIterator[Served]:
    """Bring the bundle into service for a while, on the carousel or, if `is_whole`, in whole sequences."""
    settings = Settings(
        max_sessions=1 << 20,
        max_waiting_rows=1 << 20,
        whole_sequences=frozenset([folder.parent.name] if is_whole else []),
    )
    registry = CollectorRegistry()
    model = await Loader(settings, Metrics(registry), LoopClock()).load(folder)
    try:
        yield Served(model, registry)
    finally:
        await model.close()
