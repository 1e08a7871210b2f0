"""One request's spans, made after its answer from what was measured on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from opentelemetry.trace import Link, Span, Status, StatusCode, Tracer, format_trace_id, set_span_in_context

from service.domain.clock import Clock
from service.domain.tracing import TracedRow
from service.telemetry.wall_clock import WallClock

ERROR = "error.type"
MODEL, VERSION = "carousel.model", "carousel.version"
ROWS, STEPS = "carousel.rows", "carousel.steps"


class BatchRun(NamedTuple):
    """A batch as each of its requests sees it; one without a `failure` was answered in `compute_s`."""

    started_s: float
    ended_s: float
    compute_s: float
    failure: str
    attributes: Mapping[str, str | int | bool]
    link: Link


class _Share(NamedTuple):
    """A request's rows in one batch, which waited since `waited_s` together."""

    run: BatchRun
    waited_s: float
    rows: int
    steps: int


class RequestSpans:
    """The server's span with `admission`, then `queue` and `batch` for each batch with rows of the request.

    Rows of a request that ran together have one `queue` and one `batch`, so that a request of a thousand
    rows has as many spans as it had batches. A batch that failed is followed by another `queue`.
    """

    def __init__(self, tracer: Tracer, span: Span, arrived: WallClock, clock: Clock) -> None:
        self._tracer = tracer
        self._span = span
        self._context = set_span_in_context(span)
        self._arrived = arrived
        self._clock = clock
        self._accepted_s: float | None = None
        self._waits_since: dict[TracedRow, float] = {}
        self._left: dict[TracedRow, int] = {}
        self._shares: list[_Share] = []
        self._reason = ""
        self._is_ended = False
        self.link = Link(span.get_span_context())
        self.model = self.version = ""

    @property
    def trace_id(self) -> str:
        return format_trace_id(self._span.get_span_context().trace_id)

    def note(self, name: str, value: str | int) -> None:
        self._span.set_attribute(name, value)

    def accepted(self, rows: Sequence[TracedRow], model: str, version: str) -> None:
        self._accepted_s = now_s = self._clock.now()
        self.model, self.version = model, version
        for row in rows:
            row.trace = self
            self._waits_since[row] = now_s
            self._left[row] = row.steps
        steps = sum(row.steps for row in rows)
        self._span.set_attributes({MODEL: model, VERSION: version, ROWS: len(rows), STEPS: steps})

    def ran(self, steps: Mapping[TracedRow, int], run: BatchRun) -> None:
        """So many steps of these rows were in a batch; where it failed or more are left, they wait again."""
        if self._is_ended:
            return
        waited_s = min(self._waits_since.pop(row) for row in steps)
        for row, ran in steps.items():
            self._left[row] -= 0 if run.failure else ran
            if self._left[row]:
                self._waits_since[row] = run.ended_s
        self._shares.append(_Share(run, waited_s, len(steps), sum(steps.values())))

    def refused(self, reason: str) -> None:
        self._reason = reason

    def ended(self, is_error: bool) -> None:
        ended_s = self._clock.now()
        self._is_ended = True
        if self._accepted_s is None:
            self._add_stopped("admission", self._arrived.clock_s, ended_s, is_error)
        else:
            self._add("admission", self._arrived.clock_s, self._accepted_s, {})
        for share in self._shares:
            self._add_share(share)
        self._add_unanswered(ended_s, is_error)
        if self._reason:
            self._span.set_attribute(ERROR, self._reason)
        if is_error:
            self._span.set_status(Status(StatusCode.ERROR, self._reason))
        self._span.end(self._arrived.ns(ended_s))
        # Rows know this trace, and a ring would wait for the garbage collector.
        self._waits_since.clear()
        self._left.clear()

    def _add_share(self, share: _Share) -> None:
        run = share.run
        own: dict[str, str | int | bool] = {ROWS: share.rows, STEPS: share.steps}
        self._add("queue", share.waited_s, run.started_s, own)
        batch = self._add("batch", run.started_s, run.ended_s, {**run.attributes, **own}, run.failure)
        if not run.failure:
            # How long the engine took is known, not when: what came before includes the padding.
            computed_s = max(run.started_s, run.ended_s - run.compute_s)
            attributes = {**run.attributes, **own}
            self._add("compute", computed_s, run.ended_s, attributes, parent=batch, link=run.link)

    def _add_unanswered(self, ended_s: float, is_error: bool) -> None:
        """Where the request ended before its rows did: the deadline, or another row's failure."""
        # As many spans as differ, not as there are rows.
        for waited_s, started_s in {(since_s, row.started_s) for row, since_s in self._waits_since.items()}:
            if started_s > waited_s:
                self._add("queue", waited_s, started_s, {})
                self._add_stopped("batch", started_s, ended_s, is_error)
            else:
                self._add_stopped("queue", waited_s, ended_s, is_error)

    def _add_stopped(self, name: str, from_s: float, ended_s: float, is_error: bool) -> None:
        """What the request was at when it ended without an answer."""
        reason = self._reason or "unanswered"
        self._add(name, from_s, ended_s, {ERROR: reason}, reason if is_error else "")

    def _add(
        self,
        name: str,
        from_s: float,
        to_s: float,
        attributes: Mapping[str, str | int | bool],
        failure: str = "",
        parent: Span | None = None,
        link: Link | None = None,
    ) -> Span:
        context = self._context if parent is None else set_span_in_context(parent)
        links = None if link is None else [link]
        start_ns = self._arrived.ns(from_s)
        span = self._tracer.start_span(name, context, attributes=attributes, links=links, start_time=start_ns)
        if failure:
            span.set_attribute(ERROR, failure)
            span.set_status(Status(StatusCode.ERROR, failure))
        span.end(self._arrived.ns(to_s))
        return span
