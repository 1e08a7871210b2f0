"""The same streams saved at the end only, in the background, and before each answer; without HTTP."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from prometheus_client import CollectorRegistry

from load_tests.lengths import SEED
from load_tests.padding.served import Served, served
from load_tests.padding.two_layer_bundle import FEATURES
from service.batching.slot import Slot
from service.batching.ticket import RowResult, Ticket
from service.domain.tensors import Array
from service.sessions.persistence import Persistence
from service.sessions.session import Session
from service.sessions.stores.opening import open_store
from service.telemetry.metrics import Metrics, SaveMetrics

WAYS: dict[str, float | None] = {"at the end": None, "in the background": 1.0, "before the answer": 0.0}
_MOST_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Saving:
    """So many streams in closed loops; `share` is of the steps/s of those saved at the end."""

    sessions: int
    way: str
    steps_per_s: float
    p50_ms: float
    p99_ms: float
    cpu_us_per_step: float
    share: float


async def measure_saves(folder: Path, store: str, counts: list[int], seconds: float) -> list[Saving]:
    """Each number of sessions in each way, one after the other, for so many seconds."""
    measured: list[Saving] = []
    async with served(folder) as model:
        for count in counts:
            plain = 0.0
            for way in WAYS:
                saving = await _measured(model, store, count, way, seconds, plain)
                plain = plain or saving.steps_per_s
                measured.append(saving)
    return measured


async def _measured(
    served_model: Served, place: str, count: int, way: str, seconds: float, plain: float
) -> Saving:
    store, sessions = open_store(place, _MOST_BYTES), served_model.model.sessions
    if store is None or sessions is None:
        raise ValueError(f"{place}: no store, or {served_model.model.manifest.name} keeps no state")
    persistence = Persistence(store, SaveMetrics(Metrics(CollectorRegistry())), WAYS[way])
    if persistence.upkeep is not None:
        await persistence.upkeep.beat()
        persistence.upkeep.start()
    opened = [sessions.open() for _ in range(count)]
    await asyncio.gather(*(persistence.keep(sessions, session) for session in opened))
    cpu_s, started_s = time.process_time(), time.perf_counter()
    latencies = await _stepped(served_model, opened, seconds)
    took_s, cpu_s = time.perf_counter() - started_s, time.process_time() - cpu_s
    for session in opened:
        sessions.close(session.id, "measured")
    await persistence.close()
    p50_ms, p99_ms = (float(figure) * 1e3 for figure in np.percentile(latencies, [50, 99]))
    steps_per_s = len(latencies) / took_s
    cpu_us = cpu_s / len(latencies) * 1e6
    return Saving(count, way, steps_per_s, p50_ms, p99_ms, cpu_us, steps_per_s / (plain or steps_per_s))


async def _stepped(served_model: Served, opened: list[Session], seconds: float) -> list[float]:
    """The latencies of streams that send a step whenever they have the answer to the last, in seconds."""
    sessions, latencies = served_model.model.sessions, list[float]()
    steps = np.random.default_rng(SEED).standard_normal((len(opened), 1, FEATURES)).astype(np.float32)
    due_s = time.perf_counter() + seconds

    async def stream(session: Session, step: Array) -> None:
        while sessions is not None and (started_s := time.perf_counter()) < due_s:
            await sessions.step(session, None, lambda slots: _run(served_model, step, slots), 1)
            latencies.append(time.perf_counter() - started_s)

    await asyncio.gather(*(stream(*pair) for pair in zip(opened, steps, strict=True)))
    return latencies


async def _run(served_model: Served, step: Array, slots: list[Slot]) -> list[RowResult]:
    future = asyncio.get_running_loop().create_future()
    ticket = Ticket(step, None, future, time.perf_counter(), slot=slots[0])
    served_model.model.scheduler.submit([ticket])
    return [await ticket.future]
