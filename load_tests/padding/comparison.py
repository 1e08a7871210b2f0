"""CPU time of each way of batching on the same sequences, in turn, again and again."""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from load_tests.lengths import SEED, Lengths, exponential, lognormal, uniform
from load_tests.padding.bare_carousel import BareCarousel
from load_tests.padding.contenders import ARRIVAL_ROWS, Direct, slices
from load_tests.padding.served import Served, served
from service.domain.tensors import Array
from service.repository.scanner import Bundle, read_bundle

ALONE, ARRIVAL, ORACLE = "one by one", "arrival order, 64", "sorted, 32"
BARE = "bare loop, 64 x 16"
AT_ONCE, CLOSED_LOOP = "carousel, all at once", "carousel, 64 callers"
WHOLE_AT_ONCE, WHOLE_CLOSED_LOOP = "whole, all at once", "whole, 64 callers"
TRACES: dict[str, Lengths] = {"uniform 1-256": uniform, "exponential": exponential, "lognormal": lognormal}

_Way: TypeAlias = Callable[[list[Array]], Awaitable[list[Array]]]


@dataclass(frozen=True, slots=True)
class TraceResult:
    """One trace: medians in ms of CPU time per sequence, and how far answers are from those given alone.

    `efficiency` is the share of sequences' own steps in all that each scheduler's engine ran, and
    `arrival_steps` how many steps batches in arrival order run for each of a sequence's own.
    """

    trace: str
    mean_steps: float
    cpu_ms: dict[str, float]
    largest_difference: float
    efficiency: dict[str, float]
    arrival_steps: float

    def ratio(self, rival: str, way: str) -> float:
        """How many times less `way` costs than its rival."""
        return self.cpu_ms[rival] / self.cpu_ms[way]


async def compare(folder: Path, sequences: int, rounds: int) -> list[TraceResult]:
    """Every way on every trace, alternating, so that a busy machine disturbs all alike."""
    bundle = read_bundle(folder)
    direct, bare = Direct(bundle), BareCarousel(bundle)
    async with served(folder) as carousel, served(folder, is_whole=True) as whole:
        ways: dict[str, _Way] = {
            ALONE: direct.one_by_one,
            ARRIVAL: direct.in_arrival_order,
            ORACLE: direct.sorted_by_length,
            BARE: bare.all_at_once,
            WHOLE_AT_ONCE: whole.all_at_once,
            WHOLE_CLOSED_LOOP: whole.closed_loop,
            AT_ONCE: carousel.all_at_once,
            CLOSED_LOOP: carousel.closed_loop,
        }
        schedulers = {
            WHOLE_AT_ONCE: whole,
            WHOLE_CLOSED_LOOP: whole,
            AT_ONCE: carousel,
            CLOSED_LOOP: carousel,
        }
        return [
            await _on_trace(name, _sequences(bundle, lengths, sequences), ways, schedulers, rounds)
            for name, lengths in TRACES.items()
        ]


async def _on_trace(
    name: str, sequences: list[Array], ways: dict[str, _Way], schedulers: dict[str, Served], rounds: int
) -> TraceResult:
    times_ms: dict[str, list[float]] = {way: [] for way in ways}
    ran = {way: np.zeros(2) for way in schedulers}
    answers: dict[str, list[Array]] = {}
    for _ in range(rounds):
        for way, run in ways.items():
            before = schedulers[way].computed() if way in schedulers else ()
            started_s = time.process_time()
            answers[way] = await run(sequences)
            times_ms[way].append((time.process_time() - started_s) * 1e3 / len(sequences))
            if before:
                ran[way] += np.subtract(schedulers[way].computed(), before)
    return TraceResult(
        name,
        statistics.mean(len(sequence) for sequence in sequences),
        {way: statistics.median(times) for way, times in times_ms.items()},
        max(_difference(answers[ALONE], given) for given in answers.values()),
        {way: float(steps[0] / steps.sum()) for way, steps in ran.items()},
        arrival_steps([len(sequence) for sequence in sequences]),
    )


def arrival_steps(lengths: list[int]) -> float:
    """Steps that are run for each that is asked, where batches come in arrival order, each padded."""
    return sum(len(batch) * max(batch) for batch in slices(lengths, ARRIVAL_ROWS)) / sum(lengths)


def _sequences(bundle: Bundle, lengths: Lengths, count: int) -> list[Array]:
    random = np.random.default_rng(SEED)
    step_shape = bundle.manifest.signature.step_shape
    return [
        random.standard_normal((steps, *step_shape)).astype(np.float32) for steps in lengths(random, count)
    ]


def _difference(expected: list[Array], given: list[Array]) -> float:
    return max(float(np.abs(a - b).max()) for a, b in zip(expected, given, strict=True))
