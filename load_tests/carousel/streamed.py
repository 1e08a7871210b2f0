"""Streams over WebSockets against a real server, in closed loops: what a step costs there."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import uvloop

from load_tests.carousel.stream_client import StreamClient, step_frame
from load_tests.lengths import SEED
from load_tests.padding.two_layer_bundle import FEATURES
from load_tests.process_usage import cpu_seconds
from load_tests.server_process import ServerProcess, carousel_server

_LONGEST_ANSWER_S = 30.0
# A burst of openings longer than the server's backlog would wait for the kernel to try again.
_OPENING_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Streamed:
    """So many streams, each sending its next step when it has its answer; latencies in ms at the client."""

    streams: int
    steps_per_s: float
    p50_ms: float
    p99_ms: float
    server_cpu_us_per_step: float


def measure_streamed(folder: Path, counts: list[int], seconds: float) -> list[Streamed]:
    """Each number of streams for so many seconds, of the bundle in `folder`, on one server."""
    if not counts:
        return []
    name, most = folder.parent.name, max(counts)
    settings = {"session_store": "none", "max_sessions": 2 * most, "max_connections": 2 * most}
    with carousel_server(folder.parent.parent, settings=settings) as server:
        return [uvloop.run(_streamed(server, name, count, seconds)) for count in counts]


async def _streamed(server: ServerProcess, model: str, count: int, seconds: float) -> Streamed:
    step = np.random.default_rng(SEED).standard_normal((1, FEATURES)).astype(np.float32)
    clients = await _opened(server, model, count, step_frame(step))
    cpu_s, started_s = cpu_seconds(server.pid), time.perf_counter()
    for client in clients:
        client.begin(started_s + seconds)
    async with asyncio.timeout(seconds + _LONGEST_ANSWER_S):
        await asyncio.gather(*(client.ended for client in clients))
        took_s, cpu_s = time.perf_counter() - started_s, cpu_seconds(server.pid) - cpu_s
        await asyncio.gather(*(client.close() for client in clients))
    latencies_s = np.concatenate([client.latencies_s for client in clients])
    p50_ms, p99_ms = np.percentile(latencies_s, [50, 99]) * 1e3
    steps = len(latencies_s)
    return Streamed(count, steps / took_s, float(p50_ms), float(p99_ms), cpu_s / steps * 1e6)


async def _opened(server: ServerProcess, model: str, count: int, frame: bytes) -> list[StreamClient]:
    places = asyncio.Semaphore(_OPENING_AT_ONCE)

    async def opened() -> StreamClient:
        async with places:
            return await StreamClient.open(server.address, model, frame)

    return await asyncio.gather(*(opened() for _ in range(count)))
