"""What the server costs beside a bare one: both started, driven and stopped in turn."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import uvloop

from load_tests.address import Address
from load_tests.closed_loop import drive
from load_tests.http_requests import predict_body, predict_path, predict_request, v2_request
from load_tests.model_input import ModelInput, read_model_input
from load_tests.probe import Probe
from load_tests.process_usage import cpu_seconds, resident_mib
from load_tests.server_process import ServerProcess, bare_server, carousel_server
from load_tests.tally import Summary
from load_tests.workloads import Workload
from service.domain.tensors import Array

BARE, PREDICT, V2 = "bare", "/predict", "/v2"
_WARM_UP_S = 0.3


@dataclass(frozen=True, slots=True)
class OverheadPlan:
    """What is compared, how long each part runs and how often all of it is repeated."""

    models_dir: Path
    model: str
    workload: Workload
    connections: tuple[int, ...]
    seconds: float
    rounds: int
    core: int | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """One closed loop against one target, and the server's CPU time for each request of it."""

    target: str
    connections: int
    summary: Summary
    cpu_ms: float


@dataclass(frozen=True, slots=True)
class Overhead:
    """All readings of all rounds, and the server's starts and memory."""

    readings: list[Reading]
    first_answers_s: list[float]
    resident_mib: list[float]

    def median(self, target: str, connections: int, of: str) -> float:
        """The median over the rounds of `cpu_ms`, or of a field of the summary."""
        chosen = [r for r in self.readings if (r.target, r.connections) == (target, connections)]
        return statistics.median(r.cpu_ms if of == "cpu_ms" else getattr(r.summary, of) for r in chosen)

    @property
    def error_count(self) -> int:
        return sum(reading.summary.error_count for reading in self.readings)


def measure_overhead(plan: OverheadPlan) -> Overhead:
    """Bare, real, bare, real, …: neighbours on the machine then disturb both alike."""
    expected, answer_bytes = _look(plan)
    sequences = plan.workload.sequences(expected)
    result = Overhead([], [], [])
    for _ in range(plan.rounds):
        with bare_server(answer_bytes, plan.core) as server:
            result.readings.extend(_readings(plan, server, expected, sequences, (BARE,)))
        with carousel_server(plan.models_dir, _probe(expected, sequences[0]), plan.core) as server:
            result.readings.extend(_readings(plan, server, expected, sequences, (PREDICT, V2)))
            result.first_answers_s.append(server.first_answer_s)
            result.resident_mib.append(resident_mib(server.pid))
    return result


def _look(plan: OverheadPlan) -> tuple[ModelInput, int]:
    """What the model takes, and how large its answers on /predict are."""
    with carousel_server(plan.models_dir) as server:
        expected = read_model_input(server.address, plan.model)
        requests = _requests(PREDICT, server.address, expected, plan.workload.sequences(expected))
        return expected, uvloop.run(drive(server.address, requests, 1, plan.seconds)).answer_bytes


def _readings(
    plan: OverheadPlan,
    server: ServerProcess,
    expected: ModelInput,
    sequences: list[Array],
    targets: tuple[str, ...],
) -> Iterator[Reading]:
    for connections in plan.connections:
        for target in targets:
            requests = _requests(target, server.address, expected, sequences)
            uvloop.run(drive(server.address, requests, connections, min(_WARM_UP_S, plan.seconds)))
            before_s = cpu_seconds(server.pid)
            summary = uvloop.run(drive(server.address, requests, connections, plan.seconds))
            used_s = cpu_seconds(server.pid) - before_s
            yield Reading(target, connections, summary, used_s / max(1, summary.requests) * 1e3)


def _requests(target: str, address: Address, expected: ModelInput, sequences: list[Array]) -> list[bytes]:
    make = v2_request if target == V2 else predict_request
    return [make(address, expected, sequence) for sequence in sequences]


def _probe(expected: ModelInput, sequence: Array) -> Probe:
    return Probe(predict_path(expected), predict_body(sequence))
