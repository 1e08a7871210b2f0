"""Whatever happens in whatever order: a request's spans lie within each other and add up."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from bench import Bench, all_due
from drawn import examples
from hypothesis import example, given
from hypothesis import strategies as st
from on_a_loop import on_a_loop
from opentelemetry.sdk.trace import ReadableSpan
from recorded_spans import RecordedSpans

from service.batching.partition import BatchLimits
from service.batching.sequence_batcher import SequenceBatcher
from service.batching.step_batcher import StepBatcher

actions = st.one_of(
    st.tuples(st.just("ask"), st.lists(st.integers(1, 40), min_size=1, max_size=5)),
    st.tuples(st.just("advance"), st.sampled_from([0.001, 0.0137, 0.5])),
    st.tuples(st.just("step")),
    st.tuples(st.just("fail"), st.integers(1, 3)),
    st.tuples(st.just("leave"), st.integers(0, 3)),
)


class TracedMix:
    """Requests on a bench, each with a trace that ends when it is answered, refused or left."""

    def __init__(self, limits: BatchLimits, kind=SequenceBatcher) -> None:
        self.bench = Bench(limits=limits, kind=kind)
        self.spans = RecordedSpans(clock=self.bench.clock)
        self.bench.batcher._observer = self.spans.tracing.batches
        self.asked = []
        self.left = set()

    async def play(self, script) -> None:
        for verb, *arguments in script:
            getattr(self, verb)(*arguments)
            await all_due()
        await self.bench.drain()
        self.bench.clock.advance(0.001)
        for number in range(len(self.asked)):
            self._end(number)

    def ask(self, lengths) -> None:
        trace = self.spans.tracing.request(f"request {len(self.asked)}", {}, {})
        self.bench.clock.advance(0.0001)
        tickets = self.bench.submit(*lengths)
        trace.accepted(tickets, "sums", "1")
        self.asked.append((trace, tickets))

    def advance(self, seconds) -> None:
        self.bench.clock.advance(seconds)

    def step(self) -> None:
        if self.bench.hand.pending:
            self.bench.hand.step()

    def fail(self, times) -> None:
        self.bench.backend.failures_left = times

    def leave(self, number) -> None:
        if number < len(self.asked) and number not in self.left:
            for ticket in self.asked[number][1]:
                ticket.abandon()
            self._end(number)
            self.left.add(number)

    def _end(self, number) -> None:
        trace, tickets = self.asked[number]
        if number not in self.left:
            failed = any(ticket.future.cancelled() or ticket.future.exception() for ticket in tickets)
            if failed:
                trace.refused("engine_failed")
            trace.ended(is_error=failed)


def assert_within(span: ReadableSpan, parent: ReadableSpan) -> None:
    assert parent.start_time <= span.start_time <= span.end_time <= parent.end_time


def assert_consistent(mix: TracedMix, number: int) -> None:
    spans, (_, tickets) = mix.spans, mix.asked[number]
    server = spans.the(f"request {number}")
    (admission,) = spans.below(server, "admission")
    queues, batches = spans.below(server, "queue"), spans.below(server, "batch")
    for child in (admission, *queues, *batches):
        assert_within(child, server)
    assert admission.start_time == server.start_time
    waits_end = {span.end_time for span in queues}
    waits_begin = {admission.end_time} | {span.end_time for span in batches if not span.status.is_ok}
    assert {span.start_time for span in queues} <= waits_begin
    assert {span.start_time for span in batches} <= waits_end
    if len(tickets) == 1:
        chain = sorted((admission, *queues, *batches), key=lambda span: (span.start_time, span.end_time))
        for before, after in pairwise(chain):
            assert before.end_time == after.start_time
    computed = [compute for batch in batches for compute in spans.below(batch, "compute")]
    answered = sum(1 for ticket in tickets if not ticket.future.cancelled() and not ticket.future.exception())
    counted = sum(span.attributes["carousel.rows"] for span in computed)
    assert counted == answered if number not in mix.left else counted <= len(tickets)
    for batch in batches:
        for compute in spans.below(batch, "compute"):
            assert_within(compute, batch)
            assert_linked(spans, compute, server)


def assert_linked(spans: RecordedSpans, compute: ReadableSpan, server: ReadableSpan) -> None:
    (link,) = compute.links
    (execution,) = (span for span in spans.named("execution") if span.context == link.context)
    assert server.context in [back.context for back in execution.links]
    assert execution.context.trace_id != server.context.trace_id
    assert execution.end_time - execution.start_time >= compute.end_time - compute.start_time
    for name in ("carousel.device", "carousel.batch.rows", "carousel.batch.padded_steps"):
        assert execution.attributes[name] == compute.attributes[name]


@example([("ask", [3, 4]), ("ask", [5]), ("leave", 0), ("step",), ("leave", 1)], BatchLimits(1, 300))
@given(st.lists(actions, max_size=25), st.builds(BatchLimits, st.integers(1, 9), st.integers(1, 300)))
@examples(80)
def test_spans_lie_within_each_other_and_add_up(script, limits):
    async def scenario():
        mix = TracedMix(limits)
        await mix.play(script)
        for number in range(len(mix.asked)):
            assert_consistent(mix, number)
        linked = sum(len(span.links) for span in mix.spans.named("execution"))
        assert linked >= len(mix.spans.named("compute"))

    asyncio.run(scenario())


@on_a_loop
async def test_a_batch_says_how_much_of_it_was_padding_and_whose_it_was():
    mix = TracedMix(BatchLimits(64, 16_384))
    mix.ask([7])
    mix.ask([5, 3])
    await mix.play([])
    execution = mix.spans.the("execution")
    assert execution.parent is None
    assert execution.attributes == {
        "carousel.model": "sums",
        "carousel.version": "1",
        "carousel.batch.rows": 3,
        "carousel.batch.steps": 15,
        "carousel.batch.padded_steps": 6,
        "carousel.device": "fake",
        "carousel.engine": "onnxruntime",
        "carousel.degraded": False,
    }
    assert len(execution.links) == 2
    one, two = mix.spans.named("compute")
    assert {span.attributes["carousel.rows"]: span.attributes["carousel.steps"] for span in (one, two)} == {
        1: 7,
        2: 8,
    }


@on_a_loop
async def test_a_batch_that_failed_is_seen_as_such_and_its_rows_wait_again():
    mix = TracedMix(BatchLimits(64, 16_384))
    await mix.play([("fail", 1), ("ask", [7, 7]), ("advance", 0.25), ("step",), ("advance", 0.5), ("step",)])
    server = mix.spans.the("request 0")
    batches = mix.spans.below(server, "batch")
    assert [span.attributes.get("error.type") for span in batches] == ["engine_failed", None, None]
    executions = [span for span in mix.spans.all() if span.name == "execution"]
    assert [span.status.is_ok for span in executions] == [False, True, True]
    assert len(mix.spans.below(server, "queue")) == 3
    assert server.status.is_ok


@on_a_loop
async def test_a_sequence_that_rides_several_ticks_has_a_batch_for_each_and_waits_between_them():
    mix = TracedMix(BatchLimits(2, 1 << 20), StepBatcher)
    mix.bench.batcher._lookout.max_tick_s = 0.0
    await mix.play([("ask", [6]), ("ask", [3])])
    for number, steps in enumerate((6, 3)):
        server = mix.spans.the(f"request {number}")
        batches = mix.spans.below(server, "batch")
        assert [span.attributes["carousel.steps"] for span in batches] == [1] * steps
        assert len(mix.spans.below(server, "queue")) == steps
        for child in batches:
            assert_within(child, server)


@on_a_loop
async def test_a_request_without_a_trace_makes_no_span_of_its_batch():
    mix = TracedMix(BatchLimits(64, 16_384))
    mix.bench.submit(3, 4)
    await mix.bench.drain()
    assert mix.spans.all() == []
