"""Starts a server, loads it at every door, tells it to stop, and counts."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import uvloop

from load_tests.http_requests import predict_request
from load_tests.lengths import SEED
from load_tests.model_input import read_model_input
from load_tests.padding.two_layer_bundle import FEATURES, write_two_layer_bundle
from load_tests.server_process import ServerProcess, carousel_server
from load_tests.stop.fates import Fates
from load_tests.stop.grpc_caller import call_over_grpc, infer_message, stream_over_grpc
from load_tests.stop.http_caller import call_over_http

_MODEL = "two-layer"
_LONGEST_S = 60.0


@dataclass(frozen=True, slots=True)
class StopPlan:
    """How often, after how long, and how many callers there are at each door."""

    times: int
    seconds: float
    http: int = 32
    grpc: int = 8
    streams: int = 4
    steps: int = 60


@dataclass(frozen=True, slots=True)
class Stop:
    """One server's end; `status` is its exit status."""

    fates: Fates
    exit_s: float
    status: int

    @property
    def is_clean(self) -> bool:
        return self.fates.lost == 0 and self.status == 0


def figures_of(stop: Stop) -> dict[str, object]:
    """For JSON, which has no keys but words."""
    counts = {f"{door.value}: {fate.value}": number for (door, fate), number in stop.fates.counts.items()}
    return {"counts": counts, "exit_s": stop.exit_s, "status": stop.status}


def stops(plan: StopPlan) -> list[Stop]:
    with tempfile.TemporaryDirectory() as scratch:
        write_two_layer_bundle(Path(scratch))
        return [_stopped(plan, Path(scratch)) for _ in range(plan.times)]


def _stopped(plan: StopPlan, models_dir: Path) -> Stop:
    with carousel_server(models_dir) as server:
        fates = Fates()
        exit_s = uvloop.run(_load_and_stop(plan, server, fates))
        return Stop(fates, exit_s, server.status())


async def _load_and_stop(plan: StopPlan, server: ServerProcess, fates: Fates) -> float:
    """The time from SIGTERM to the end of the process; when it has returned every caller has ended."""
    sequence = np.random.default_rng(SEED).standard_normal((plan.steps, FEATURES)).astype(np.float32)
    asked = predict_request(server.address, read_model_input(server.address, _MODEL), sequence)
    message = infer_message(_MODEL, sequence)
    async with asyncio.timeout(plan.seconds + _LONGEST_S), asyncio.TaskGroup() as callers:
        for _ in range(plan.http):
            callers.create_task(call_over_http(server.address, asked, fates))
        for _ in range(plan.grpc):
            callers.create_task(call_over_grpc(server.grpc, message, fates))
        for _ in range(plan.streams):
            callers.create_task(stream_over_grpc(server.grpc, message, fates))
        await asyncio.sleep(plan.seconds)
        told_s = time.perf_counter()
        os.kill(server.pid, signal.SIGTERM)
        await asyncio.to_thread(server.status)
        return time.perf_counter() - told_s
