"""Streams in closed loops, and short sequences that come while long ones run."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from load_tests.lengths import SEED
from load_tests.padding.contenders import fresh_ticket
from load_tests.padding.served import Served, served
from load_tests.padding.two_layer_bundle import FEATURES
from service.batching.slot import Slot
from service.batching.ticket import RowResult, Ticket
from service.domain.tensors import Array
from service.sessions.session import Session

LONG, SHORT = 5000, 10
_LONG_CALLERS = 4


@dataclass(frozen=True, slots=True)
class Stepping:
    """So many streams, each sending its next step when it has its answer; latencies in ms."""

    sessions: int
    steps_per_s: float
    p50_ms: float
    p99_ms: float
    rows_per_tick: float
    cpu_us_per_step: float


@dataclass(frozen=True, slots=True)
class HeadOfLine:
    """Latency in ms of sequences of `SHORT` steps, alone and while `LONG` ones run, by scheduler."""

    way: str
    alone_p99_ms: float
    beside_p50_ms: float
    beside_p99_ms: float


@dataclass(frozen=True, slots=True)
class Measured:
    stepping: list[Stepping]
    head_of_line: list[HeadOfLine]

    @property
    def gain(self) -> float:
        """How many times shorter a short sequence waits on the carousel, at p99."""
        whole, carousel = self.head_of_line
        return whole.beside_p99_ms / carousel.beside_p99_ms


async def measure_carousel(folder: Path, counts: list[int], seconds: float) -> Measured:
    """Each number of sessions for so many seconds, then both schedulers beside long sequences."""
    async with served(folder) as carousel, served(folder, is_whole=True) as whole:
        stepping = [await _stepping(carousel, count, seconds) for count in counts]
        heads = [
            await _head_of_line(way, one, seconds) for way, one in (("whole", whole), ("carousel", carousel))
        ]
    return Measured(stepping, heads)


async def _stepping(served_model: Served, count: int, seconds: float) -> Stepping:
    model = served_model.model
    sessions, statistics = model.sessions, model.metrics.statistics
    if sessions is None:
        raise ValueError(f"{model.manifest.name} keeps no state")
    opened = [sessions.open() for _ in range(count)]
    steps = np.random.default_rng(SEED).standard_normal((count, 1, FEATURES)).astype(np.float32)
    latencies: list[float] = []
    due_s = time.perf_counter() + seconds

    async def stream(session: Session, step: Array) -> None:
        while (started_s := time.perf_counter()) < due_s:
            await sessions.step(session, None, lambda slots: _run(served_model, [step], slots), 1)
            latencies.append(time.perf_counter() - started_s)

    batches, cpu_s, started_s = statistics.batches, time.process_time(), time.perf_counter()
    await asyncio.gather(*(stream(*pair) for pair in zip(opened, steps, strict=True)))
    took_s, cpu_s = time.perf_counter() - started_s, time.process_time() - cpu_s
    sessions.close_all("measured")
    p50_ms, p99_ms = _percentiles_ms(latencies)
    ticks = statistics.batches - batches
    return Stepping(
        count,
        len(latencies) / took_s,
        p50_ms,
        p99_ms,
        len(latencies) / ticks,
        cpu_s / len(latencies) * 1e6,
    )


async def _run(served_model: Served, steps: list[Array], slots: list[Slot]) -> list[RowResult]:
    loop = asyncio.get_running_loop()
    tickets = [
        Ticket(step, None, loop.create_future(), time.perf_counter(), slot=slot)
        for step, slot in zip(steps, slots, strict=True)
    ]
    served_model.model.scheduler.submit(tickets)
    return [await ticket.future for ticket in tickets]


async def _head_of_line(way: str, served_model: Served, seconds: float) -> HeadOfLine:
    alone = await _short_latencies(served_model, seconds)
    long_ones = [asyncio.create_task(_endless(served_model)) for _ in range(_LONG_CALLERS)]
    beside = await _short_latencies(served_model, seconds)
    for task in long_ones:
        task.cancel()
    await asyncio.gather(*long_ones, return_exceptions=True)
    beside_p50_ms, beside_p99_ms = _percentiles_ms(beside)
    return HeadOfLine(way, _percentiles_ms(alone)[1], beside_p50_ms, beside_p99_ms)


async def _short_latencies(served_model: Served, seconds: float) -> list[float]:
    latencies: list[float] = []
    due_s = time.perf_counter() + seconds
    while (started_s := time.perf_counter()) < due_s:
        await _answer(served_model, SHORT)
        latencies.append(time.perf_counter() - started_s)
        await asyncio.sleep(0.002)
    return latencies


async def _endless(served_model: Served) -> None:
    while True:
        await _answer(served_model, LONG)


async def _answer(served_model: Served, steps: int) -> None:
    ticket = fresh_ticket(np.zeros((steps, FEATURES), np.float32), time.perf_counter())
    served_model.model.scheduler.submit([ticket])
    await ticket.future


def _percentiles_ms(latencies: list[float]) -> tuple[float, float]:
    p50, p99 = np.percentile(latencies, [50, 99]) * 1e3
    return float(p50), float(p99)
