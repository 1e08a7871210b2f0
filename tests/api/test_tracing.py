"""Tracing over HTTP: whose trace, what is told of the request, and what of a refusal."""

from __future__ import annotations

import asyncio

import pytest
from doors import DOORS, FINE, with_timeout
from memory_server import MemoryServer
from on_a_loop import on_a_loop
from opentelemetry.trace import SpanKind
from recorded_spans import MALFORMED, PARENT_ID, TRACE_ID, RecordedSpans, trace_id, traceparent
from structlog.testing import capture_logs

ROUTES = {"predict": "POST /predict/{model}", "infer": "POST /v2/models/{model}/infer"}


@pytest.mark.parametrize("door", DOORS)
@on_a_loop
async def test_an_answer_s_span_says_what_was_asked_and_its_parts_lie_in_it(door):
    spans = RecordedSpans()
    async with MemoryServer(spans.tracing) as server:
        path = DOORS[door].format("sums")
        answer = await server.post(path, FINE[door], **{"x-request-id": "r7"})
        assert answer.status_code == 200
    root = spans.the(ROUTES[door])
    assert (root.kind, root.parent, root.status.is_ok) == (SpanKind.SERVER, None, True)
    assert root.attributes == {
        "http.request.method": "POST",
        "http.route": ROUTES[door].removeprefix("POST "),
        "url.path": path,
        "url.scheme": "http",
        "http.response.status_code": 200,
        "carousel.request_id": "r7",
        "carousel.model": "sums",
        "carousel.version": "1",
        "carousel.rows": 1,
        "carousel.steps": 1,
    }
    (admission,), (queue,), (batch,) = (spans.below(root, name) for name in ("admission", "queue", "batch"))
    (compute,) = spans.below(batch, "compute")
    assert root.start_time == admission.start_time < admission.end_time == queue.start_time
    assert queue.end_time == batch.start_time <= compute.start_time
    assert compute.end_time == batch.end_time < root.end_time
    assert spans.the("execution").links[0].context == root.context


@on_a_loop
async def test_a_version_in_the_path_is_a_name_in_the_span_s():
    spans = RecordedSpans()
    async with MemoryServer(spans.tracing) as server:
        await server.post("/v2/models/sums/versions/1/infer", FINE["infer"])
    assert spans.the("POST /v2/models/{model}/versions/{version}/infer")


@pytest.mark.parametrize("share", [0.0, 1.0])
@on_a_loop
async def test_the_caller_s_trace_goes_on_as_the_caller_decided(share):
    spans = RecordedSpans(share)
    async with MemoryServer(spans.tracing) as server:
        headers = {"traceparent": traceparent(), "tracestate": "vendor=7"}
        await server.post("/predict/sums", FINE["predict"], **headers)
        await server.post("/predict/sums", FINE["predict"], traceparent=traceparent(is_sampled=False))
    root = spans.the(ROUTES["predict"])
    assert (trace_id(root), f"{root.parent.span_id:016x}") == (TRACE_ID, PARENT_ID)
    assert root.context.trace_state["vendor"] == "7"
    (link,) = spans.the("execution").links
    assert link.context == root.context


@pytest.mark.parametrize("given", MALFORMED)
@on_a_loop
async def test_a_malformed_traceparent_counts_as_none(given):
    spans = RecordedSpans()
    async with MemoryServer(spans.tracing) as server:
        answer = await server.post("/predict/sums", FINE["predict"], traceparent=given)
        assert answer.status_code == 200
    root = spans.the(ROUTES["predict"])
    assert root.parent is None
    assert trace_id(root) != TRACE_ID


@on_a_loop
async def test_a_share_of_none_traces_nobody_who_did_not_ask():
    spans = RecordedSpans(share=0.0)
    async with MemoryServer(spans.tracing) as server:
        assert (await server.post("/predict/sums", FINE["predict"])).status_code == 200
    assert spans.all() == []


@on_a_loop
async def test_a_refusal_has_its_reason_in_the_span_and_the_trace_in_the_log():
    spans = RecordedSpans()
    async with MemoryServer(spans.tracing) as server:
        with capture_logs() as lines:
            assert (await server.post("/predict/sums", b"{")).status_code == 400
    root = spans.the(ROUTES["predict"])
    assert root.attributes["error.type"] == "invalid"
    assert root.attributes["http.response.status_code"] == 400
    assert root.status.is_ok, "the fault is the caller's"
    (admission,) = spans.below(root, "admission")
    assert (admission.end_time, admission.status.is_ok) == (root.end_time, True)
    assert admission.attributes["error.type"] == "invalid"
    (line,) = (line for line in lines if line["event"] == "request refused")
    assert line["trace_id"] == trace_id(root)


@on_a_loop
async def test_a_fault_of_ours_is_an_error_of_the_span():
    spans = RecordedSpans()
    async with MemoryServer(spans.tracing) as server:
        server.backends["sums"].fails_on = {1.0}
        assert (await server.post("/predict/sums", FINE["predict"])).status_code == 500
    root = spans.the(ROUTES["predict"])
    assert (root.status.is_ok, root.attributes["error.type"]) == (False, "engine_failed")
    assert not spans.the("execution").status.is_ok


@pytest.mark.parametrize("moment", ["queued", "running"])
@on_a_loop
async def test_a_deadline_ends_the_span_where_the_sequence_then_was(moment):
    spans = RecordedSpans()
    async with MemoryServer(spans.tracing) as server:
        if moment == "queued":
            held = await server.hold()
        else:
            server.backends["sums"].gate.clear()
            held = None
        late = await server.post("/predict/sums", with_timeout("predict", 50))
        assert late.status_code == 504
        (root,) = spans.named(ROUTES["predict"])
        last = "queue" if moment == "queued" else "batch"
        (span,) = spans.below(root, last)
        assert span.attributes["error.type"] == root.attributes["error.type"] == "deadline"
        assert span.end_time == root.end_time
        server.backends["sums"].gate.set()
        if held is not None:
            assert (await held).status_code == 200
    assert spans.below(root, "compute") == []


@on_a_loop
async def test_a_caller_who_leaves_ends_the_span_too():
    spans = RecordedSpans()
    async with MemoryServer(spans.tracing) as server:
        leaver = await server.hold()
        leaver.cancel()
        await asyncio.wait([leaver])
        root = spans.the(ROUTES["predict"])
        assert "http.response.status_code" not in root.attributes
        assert spans.below(root, "batch")[0].attributes["error.type"] == "unanswered"


@on_a_loop
async def test_rows_that_ran_together_share_their_spans():
    spans = RecordedSpans()
    async with MemoryServer(spans.tracing) as server:
        sequences = [[[number, 1]] * 3 for number in range(50)]
        answer = await server.post("/predict/sums", {"sequences": sequences})
        assert len(answer.json()["predictions"]) == 50
    assert sum(span.attributes["carousel.rows"] for span in spans.named("compute")) == 50
    assert len(spans.named("compute")) == len(spans.named("execution")) == 1
