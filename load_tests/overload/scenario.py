"""Finds a server's peak, sends it a multiple of that, finds its peak again, and so on."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import orjson
import uvloop

from load_tests.address import Address
from load_tests.closed_loop import drive
from load_tests.cores import beside, yielding
from load_tests.http_requests import post
from load_tests.lengths import SEED
from load_tests.overload.engine_work import EngineWork, Reading
from load_tests.overload.fate import Fate, Kind, Outcome
from load_tests.overload.figures import RetryTruth, Share, counts, retry_truth, share
from load_tests.overload.open_loop import Arrivals, OpenLoop
from load_tests.process_usage import cpu_seconds
from load_tests.server_process import ServerProcess, carousel_server
from load_tests.untrained_bundle import LstmSize, write_untrained_bundle

MODEL = "engine-bound"
_HARMLESS = {Outcome.ANSWERED, Outcome.QUEUE_FULL, Outcome.UNREACHABLE, Outcome.EXPIRED}
_PEAK_CALLERS = 256
_WARM_UP_S = 1.0


@dataclass(frozen=True, slots=True)
class OverloadPlan:
    """The model's size, how long everything runs, and what the server and its callers are told."""

    size: LstmSize
    steps: int
    seconds: float
    factor: float
    timeout_s: float
    max_waiting_rows: int
    urgent_share: float = 0.1
    core: int | None = None
    rounds: int = 1

    @property
    def peak_callers(self) -> int:
        """No more than find room, so that the peak is found without a refusal."""
        return min(_PEAK_CALLERS, self.max_waiting_rows)


@dataclass(frozen=True, slots=True)
class Overloaded:
    """What came of one round; rates and latencies are of the time in which the queue was full.

    The peak is found before and after, since a machine's speed changes meanwhile.
    """

    peaks_per_s: tuple[float, float]
    work: EngineWork
    peak_work: EngineWork
    # Of the steps that the engine ran so many were answered.
    useful: float
    outcomes: dict[Outcome, int]
    together: Share
    urgent: Share
    others: Share
    retry: RetryTruth
    late_p99_ms: float
    client_cores: float
    server_cores: float

    @property
    def peak_per_s(self) -> float:
        return statistics.mean(self.peaks_per_s)

    @property
    def goodput(self) -> float:
        return self.together.answered_per_s / self.peak_per_s

    @property
    def wrong(self) -> int:
        """Requests lost, or answered by what overload is no reason for."""
        return sum(count for outcome, count in self.outcomes.items() if outcome not in _HARMLESS)


def as_figures(rounds: list[Overloaded]) -> list[dict[str, object]]:
    """For JSON, which has no keys but words."""
    return [asdict(each) | {"outcomes": {o.value: n for o, n in each.outcomes.items()}} for each in rounds]


def overload(plan: OverloadPlan) -> list[Overloaded]:
    """One server's rounds."""
    with tempfile.TemporaryDirectory() as scratch:
        write_untrained_bundle(Path(scratch), MODEL, plan.size)
        settings = {"max_waiting_rows": plan.max_waiting_rows}
        with (
            carousel_server(Path(scratch), core=plan.core, settings=settings) as server,
            beside(plan.core),
            yielding(),
        ):
            return list(_rounds(plan, server))


def _rounds(plan: OverloadPlan, server: ServerProcess) -> Iterator[Overloaded]:
    before_per_s, peak_work = _peak(plan, server.address)
    for _ in range(plan.rounds):
        result = _overloaded(plan, server, before_per_s, peak_work)
        after_per_s, peak_work = _peak(plan, server.address)
        yield replace(result, peaks_per_s=(before_per_s, after_per_s))
        before_per_s = after_per_s


def _peak(plan: OverloadPlan, address: Address) -> tuple[float, EngineWork]:
    """Answers a second where there are always enough callers for full batches."""
    request = infer_request(plan, address)
    callers = plan.peak_callers
    uvloop.run(drive(address, [request], callers, min(_WARM_UP_S, plan.seconds)))
    idle = Reading.of(address)
    peak = uvloop.run(drive(address, [request], callers, plan.seconds / 2)).requests_per_s
    return peak, EngineWork.between(idle, Reading.of(address))


def _overloaded(
    plan: OverloadPlan, server: ServerProcess, peak_per_s: float, peak_work: EngineWork
) -> Overloaded:
    timeout_us = round(plan.timeout_s * 1e6)
    urgent = infer_request(plan, server.address, timeout=timeout_us, priority=1)
    other = infer_request(plan, server.address, timeout=timeout_us)
    arrivals = Arrivals(plan.factor * peak_per_s, plan.seconds, plan.urgent_share, plan.timeout_s)
    before = Reading.of(server.address)
    ours_s, theirs_s = time.process_time(), cpu_seconds(server.pid)
    started_s, fates = uvloop.run(OpenLoop(server.address, urgent, other).run(arrivals))
    elapsed_s = time.perf_counter() - started_s
    return _summed_up(
        plan,
        peak_per_s,
        (peak_work, EngineWork.between(before, Reading.of(server.address))),
        fates,
        started_s,
        (time.process_time() - ours_s) / elapsed_s,
        (cpu_seconds(server.pid) - theirs_s) / elapsed_s,
    )


def _summed_up(
    plan: OverloadPlan,
    peak_per_s: float,
    work: tuple[EngineWork, EngineWork],
    fates: list[Fate],
    started_s: float,
    client_cores: float,
    server_cores: float,
) -> Overloaded:
    # Before that the queue fills, after it the queue empties: neither is overload.
    begin_s, end_s = started_s + min(plan.timeout_s, plan.seconds / 2), started_s + plan.seconds
    outcomes, (peak_work, overload_work) = counts(fates), work
    lateness_ms = np.array([fate.sent_s - fate.due_s for fate in fates]) * 1e3
    return Overloaded(
        (peak_per_s, peak_per_s),
        overload_work,
        peak_work,
        outcomes[Outcome.ANSWERED] * plan.steps / max(overload_work.steps, 1.0),
        dict(outcomes),
        share(fates, set(Kind), begin_s, end_s),
        share(fates, {Kind.URGENT}, begin_s, end_s),
        share(fates, {Kind.OTHER}, begin_s, end_s),
        retry_truth(fates, plan.timeout_s),
        float(np.percentile(lateness_ms, 99)),
        client_cores,
        server_cores,
    )


def infer_request(plan: OverloadPlan, address: Address, **parameters: int) -> bytes:
    """`POST /v2/…/infer` with one sequence of the plan's length."""
    values = np.random.default_rng(SEED).standard_normal(plan.steps * plan.size.features).round(3)
    shape = [1, plan.steps, plan.size.features]
    tensor = {"name": "sequence", "datatype": "FP32", "shape": shape, "data": values.tolist()}
    body = orjson.dumps({"inputs": [tensor], "parameters": parameters})
    return post(address, f"/v2/models/{MODEL}/infer", body)
