"""The predictor: deadlines from arrival, requests of several sequences, and callers that leave."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from bench import Bench, all_due
from fakes import running_sum
from memory_server import canary_of_sums, manifest_of
from on_a_loop import on_a_loop

from service.asking import _answers
from service.backends.fallback import FallbackEngine
from service.batching.ticket import RowResult, Ticket
from service.domain.device_states import DeviceRow, ResidentState
from service.domain.inference import InferRequest
from service.errors import BodyTooLarge, DeadlineExceeded, EngineFailed, InvalidRequest, NotFound
from service.predictor import Predictor
from service.repository.golden import GoldenVectors
from service.repository.registry import Registry
from service.repository.scanner import Bundle
from service.repository.served_model import ServedModel
from service.repository.wording import wording_of
from service.settings import Settings
from service.telemetry.metrics import Metrics


class PredictorBench(Bench):
    """A predictor before the bench's batcher."""

    def __init__(self, **settings) -> None:
        super().__init__()
        manifest = manifest_of("sums", self.backend)
        metrics = Metrics(type(self.registry)()).for_model("sums", "1")
        served = Registry()
        served.add(
            ServedModel(
                Bundle(Path("sums"), manifest),
                manifest.signature,
                self.batcher,
                FallbackEngine(self.thread, self.clock, metrics.engines),
                self.costs,
                wording_of(manifest),
                {},
                GoldenVectors(),
                canary_of_sums(),
                metrics,
            )
        )
        self.predictor = Predictor(served, Settings(**settings), self.clock)

    def ask(self, *names: float, timeout_s: float | None = None) -> asyncio.Task:
        """A request of one sequence of four steps for each name."""
        sequences = [np.array([[name, 1], [2, 3], [4, 5], [6, 7]]) for name in names]
        request = InferRequest("sums", sequences, timeout_s=timeout_s)
        return asyncio.create_task(self.predictor.infer(request))

    @property
    def timers_left(self) -> int:
        return sum(timer.callback is not None for timer in self.clock._timers)


def due(name: float) -> list[float]:
    return running_sum(np.array([[name, 1], [2, 3], [4, 5], [6, 7]]))[-1].tolist()


@on_a_loop
async def test_a_request_is_answered_in_its_order_with_its_timings():
    bench = PredictorBench()
    running, asked = bench.ask(9), bench.ask(3, 1, 2)
    await all_due()
    bench.clock.advance(0.5)
    await bench.drain()
    assert [output.tolist() for output in (await asked).outputs] == [due(3), due(1), due(2)]
    assert (await asked).timings.compute_s == 0.001
    assert (await running).device == "fake"
    assert bench.timers_left == 0


@pytest.mark.parametrize("position", range(3))
@pytest.mark.parametrize("moment", ["queued", "running"])
@on_a_loop
async def test_a_caller_that_leaves_harms_no_other_request_of_its_batch(position, moment):
    bench = PredictorBench()
    first = bench.ask(9)
    await all_due()
    requests = [bench.ask(1, 2), bench.ask(3, 4), bench.ask(5, 6)]
    await all_due()
    if moment == "running":
        bench.hand.step()
        await all_due()
    requests[position].cancel()
    await bench.drain()
    for index, request in enumerate(requests):
        if index == position:
            assert request.cancelled()
        else:
            assert [o.tolist() for o in (await request).outputs] == [due(2 * index + 1), due(2 * index + 2)]
    assert (await first).outputs[0].tolist() == due(9)
    assert bench.timers_left == 0


@on_a_loop
async def test_when_one_sequence_fails_its_request_fails_and_the_rest_of_it_is_dropped():
    bench = PredictorBench()
    bench.backend.fails_on = {1.0}
    request, other = bench.ask(1, 2), bench.ask(3)
    await all_due()
    await bench.drain()
    with pytest.raises(EngineFailed, match="on fire"):
        await request
    assert (await other).outputs[0].tolist() == due(3)
    assert bench.timers_left == 0


@on_a_loop
async def test_a_deadline_counts_from_arrival_and_ends_the_whole_request():
    bench = PredictorBench(default_timeout_s=2.0)
    running = bench.ask(9, timeout_s=60.0)
    await all_due()
    named, unnamed = bench.ask(1, 2, timeout_s=1.0), bench.ask(3)
    await all_due()
    bench.clock.advance(1.5)
    await all_due()
    with pytest.raises(DeadlineExceeded):
        await named
    assert not unnamed.done()
    bench.clock.advance(1.0)
    with pytest.raises(DeadlineExceeded):
        await unnamed
    await bench.drain()
    assert (await running).outputs[0].tolist() == due(9)
    assert bench.backend.names == [[9.0]], "nobody waits for the others any more"
    assert bench.timers_left == 0


@pytest.mark.parametrize("timeout_s", [0.0, -1.0])
@on_a_loop
async def test_a_deadline_that_had_passed_on_arrival_is_told_at_once(timeout_s):
    bench = PredictorBench()
    with pytest.raises(DeadlineExceeded, match="had passed when the request arrived"):
        await bench.ask(1, timeout_s=timeout_s)
    assert bench.batcher.waiting == 0


@pytest.mark.parametrize(
    ("model", "rows", "error"),
    [("nobody", 1, NotFound), ("sums", 0, InvalidRequest), ("sums", 4, BodyTooLarge)],
)
@on_a_loop
async def test_what_cannot_be_answered_is_refused_before_it_is_queued(model, rows, error):
    bench = PredictorBench(max_request_rows=3)
    with pytest.raises(error):
        await bench.predictor.infer(InferRequest(model, [np.zeros((2, 2))] * rows))
    assert bench.batcher.waiting == 0


@on_a_loop
async def test_a_failure_that_is_kept_keeps_nothing_that_the_other_rows_were_answered():
    loop, given_back = asyncio.get_running_loop(), []
    table = SimpleNamespace(epoch=0, give_back=given_back.append)
    tickets = [Ticket(np.zeros((1, 2), np.float32), None, loop.create_future(), 0.0) for _ in range(2)]
    state = ResidentState((), DeviceRow(table, 5))
    tickets[0].resolve(RowResult(np.zeros(2), (), "gpu", False, 0.0, 0.0, 0.0, 2, state))
    del state
    tickets[1].fail(EngineFailed("it failed"))
    with pytest.raises(EngineFailed) as kept:
        await _answers(tickets)
    assert kept.value.message == "it failed"
    assert given_back == [5]
