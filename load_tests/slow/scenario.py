"""Good clients alone, then beside each attack in turn."""

from __future__ import annotations

import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import uvloop

from load_tests.closed_loop import drive
from load_tests.http_requests import predict_path, predict_request
from load_tests.lengths import SEED
from load_tests.model_input import read_model_input
from load_tests.padding.two_layer_bundle import FEATURES, write_two_layer_bundle
from load_tests.process_usage import resident_mib
from load_tests.server_process import ServerProcess, carousel_server
from load_tests.slow.attacks import ATTACKS, Target, attackers, begin
from load_tests.tally import Summary

_MODEL = "two-layer"
_STEPS = 20
_GOOD = 4


@dataclass(frozen=True, slots=True)
class SlowPlan:
    """`limit_s` is what the server gives slow clients, `seconds` how long each attack is watched."""

    connections: int
    limit_s: float
    seconds: float
    attacks: tuple[str, ...] = tuple(ATTACKS)


@dataclass(frozen=True, slots=True)
class Attacked:
    """The good clients beside one attack, the memory after it, and how its connections ended."""

    name: str
    good: Summary
    resident_mib: float
    ends: Counter[str]


@dataclass(frozen=True, slots=True)
class Slow:
    """The good clients alone, and beside each attack."""

    alone: Summary
    resident_mib: float
    attacked: list[Attacked]

    @property
    def lost(self) -> int:
        return sum(each.good.error_count for each in self.attacked)

    @property
    def worst_p99(self) -> float:
        return max(each.good.p99_ms for each in self.attacked) / self.alone.p99_ms


def slow(plan: SlowPlan) -> Slow:
    limits = dict.fromkeys(("header_timeout_s", "body_timeout_s", "write_timeout_s"), plan.limit_s)
    with tempfile.TemporaryDirectory() as scratch:
        write_two_layer_bundle(Path(scratch))
        with carousel_server(Path(scratch), settings=limits) as server, attackers() as pool:
            return _attacked(plan, server, pool)


def _attacked(plan: SlowPlan, server: ServerProcess, pool: ProcessPoolExecutor) -> Slow:
    expected = read_model_input(server.address, _MODEL)
    sequence = np.random.default_rng(SEED).standard_normal((_STEPS, FEATURES)).round(3)
    request = predict_request(server.address, expected, sequence)
    target = Target(server.address, server.grpc, predict_path(expected), request)

    def good() -> Summary:
        return uvloop.run(drive(server.address, [request], _GOOD, plan.seconds))

    def attacked(name: str) -> Attacked:
        ends = begin(name, target, plan.connections, plan.seconds, pool)
        beside = good()
        return Attacked(name, beside, resident_mib(server.pid), ends.result())

    good()
    return Slow(good(), resident_mib(server.pid), [attacked(name) for name in plan.attacks])
