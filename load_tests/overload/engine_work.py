"""What the engine did meanwhile, by the server's own metrics: how fast it was, and what was in vain."""

from __future__ import annotations

import time
import urllib.request
from dataclasses import dataclass
from typing import Self

from prometheus_client.parser import text_string_to_metric_families

from load_tests.address import Address

_COMPUTE_S, _STEPS = "carousel_compute_seconds_sum", "carousel_steps_total"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a server has computed so far: seconds of its engines, and steps of sequences."""

    at_s: float
    compute_s: float
    steps: float

    @classmethod
    def of(cls, address: Address) -> Self:
        with urllib.request.urlopen(f"{address.url}/metrics") as answer:  # noqa: S310 - http and loopback
            families = list(text_string_to_metric_families(answer.read().decode()))
        totals = dict.fromkeys((_COMPUTE_S, _STEPS), 0.0)
        for family in families:
            for sample in family.samples:
                if sample.name in totals:
                    totals[sample.name] += sample.value
        return cls(time.perf_counter(), totals[_COMPUTE_S], totals[_STEPS])


@dataclass(frozen=True, slots=True)
class EngineWork:
    """Between two readings: the share of time in which the engine computed, and what a step of a row took."""

    busy: float
    steps: float
    step_us: float

    @classmethod
    def between(cls, first: Reading, last: Reading) -> Self:
        compute_s, steps = last.compute_s - first.compute_s, last.steps - first.steps
        return cls(compute_s / (last.at_s - first.at_s), steps, compute_s * 1e6 / max(steps, 1.0))
