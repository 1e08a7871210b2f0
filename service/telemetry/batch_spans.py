"""One span for each batch with a traced request in it, and links to and from those requests."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, Status, StatusCode, Tracer

from service.domain.batches import BatchResult
from service.domain.clock import Clock
from service.domain.tracing import TracedRow
from service.errors import CarouselError, EngineFailed
from service.telemetry.request_spans import ERROR, MODEL, VERSION, BatchRun, RequestSpans
from service.telemetry.wall_clock import WallClock


class BatchSpans:
    """Makes the span `execution`, and tells the requests of the batch that ran."""

    def __init__(self, tracer: Tracer, clock: Clock) -> None:
        self._tracer = tracer
        self._clock = clock

    def batch_ended(
        self,
        rows: Sequence[TracedRow],
        steps: Sequence[int],
        row_steps: int,
        started_s: float,
        ended_s: float,
        outcome: BatchResult | Exception,
    ) -> None:
        requests = _by_request(rows, steps)
        if not requests:
            return
        attributes = _described(steps, row_steps, outcome)
        failure = _failure(outcome)
        wall = WallClock.at(self._clock.now())
        span = self._started(list(requests), attributes, wall.ns(started_s))
        if failure:
            span.set_attribute(ERROR, failure)
            span.set_status(Status(StatusCode.ERROR, str(outcome)))
        span.end(wall.ns(ended_s))
        compute_s = outcome.compute_s if isinstance(outcome, BatchResult) else 0.0
        run = BatchRun(started_s, ended_s, compute_s, failure, attributes, Link(span.get_span_context()))
        for request, own in requests.items():
            request.ran(own, run)

    def _started(
        self, requests: list[RequestSpans], attributes: dict[str, str | int | bool], start_ns: int
    ) -> Span:
        whose: dict[str, str | int | bool] = {MODEL: requests[0].model, VERSION: requests[0].version}
        return self._tracer.start_span(
            "execution",
            Context(),
            attributes=whose | attributes,
            links=[request.link for request in requests],
            start_time=start_ns,
        )


def _by_request(rows: Sequence[TracedRow], steps: Sequence[int]) -> dict[RequestSpans, dict[TracedRow, int]]:
    """The rows of each request, and how many of their steps ran."""
    requests: dict[RequestSpans, dict[TracedRow, int]] = {}
    for row, ran in zip(rows, steps, strict=True):
        if isinstance(row.trace, RequestSpans):
            requests.setdefault(row.trace, {})[row] = ran
    return requests


def _described(
    steps: Sequence[int], row_steps: int, outcome: BatchResult | Exception
) -> dict[str, str | int | bool]:
    """The whole batch; its padded steps are, as in the metrics, those computed for padding only."""
    attributes: dict[str, str | int | bool] = {
        "carousel.batch.rows": len(steps),
        "carousel.batch.steps": sum(steps),
        "carousel.batch.padded_steps": row_steps - sum(steps),
    }
    if isinstance(outcome, BatchResult):
        attributes["carousel.device"] = outcome.device
        attributes["carousel.engine"] = outcome.engine
        attributes["carousel.degraded"] = outcome.is_degraded
    return attributes


def _failure(outcome: BatchResult | Exception) -> str:
    """Why there is no answer, in one word; empty where there is one."""
    if isinstance(outcome, BatchResult):
        return ""
    return outcome.reason if isinstance(outcome, CarouselError) else EngineFailed.reason
