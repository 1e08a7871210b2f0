"""A closed loop against a server that already runs."""

from __future__ import annotations

from dataclasses import dataclass

import uvloop

from load_tests.address import Address
from load_tests.closed_loop import drive
from load_tests.http_requests import predict_request
from load_tests.model_input import read_model_input
from load_tests.tally import Summary
from load_tests.workloads import W1, W2

_WARM_UP_S = 0.2


@dataclass(frozen=True, slots=True)
class Load:
    """One workload over so many connections, and what came of it."""

    workload: str
    connections: int
    summary: Summary


def load_server(address: Address, model: str, connections: int, seconds: float) -> list[Load]:
    """Both workloads at one and at many connections, each for so many seconds."""
    expected = read_model_input(address, model)
    loads = []
    for workload in (W1, W2):
        requests = [predict_request(address, expected, each) for each in workload.sequences(expected)]
        for count in dict.fromkeys((1, connections)):
            uvloop.run(drive(address, requests, count, min(_WARM_UP_S, seconds)))
            loads.append(Load(workload.name, count, uvloop.run(drive(address, requests, count, seconds))))
    return loads
