"""Tracing over gRPC: calls and streams continue their caller's trace and say how they ended."""

from __future__ import annotations

import grpc
import numpy as np
import pytest
from grpc_door import GrpcDoor, infer_fields, question
from on_a_loop import on_a_loop
from opentelemetry.trace import SpanKind
from recorded_spans import MALFORMED, PARENT_ID, TRACE_ID, RecordedSpans, trace_id, traceparent

from service.api.grpc.messages import SERVICE, ModelInferRequest

INFER, STREAM = f"{SERVICE}/ModelInfer", f"{SERVICE}/ModelStreamInfer"


def late() -> ModelInferRequest:
    request = question()
    request.parameters["timeout"].int64_param = 50_000
    return request


@on_a_loop
async def test_a_call_continues_its_caller_s_trace():
    spans = RecordedSpans(share=0.0)
    async with GrpcDoor(tracer=spans.tracing) as door:
        metadata = (("traceparent", traceparent()), ("x-request-id", "r7"))
        await door.call("ModelInfer", question().SerializeToString(), metadata=metadata)
    root = spans.the(INFER)
    assert (root.kind, trace_id(root), f"{root.parent.span_id:016x}") == (
        SpanKind.SERVER,
        TRACE_ID,
        PARENT_ID,
    )
    assert root.attributes == {
        "rpc.system": "grpc",
        "rpc.service": SERVICE,
        "rpc.method": "ModelInfer",
        "rpc.grpc.status_code": 0,
        "carousel.request_id": "r7",
        "carousel.model": "sums",
        "carousel.version": "1",
        "carousel.rows": 1,
        "carousel.steps": 1,
    }
    (batch,) = spans.below(root, "batch")
    assert len(spans.below(batch, "compute")) == 1


@pytest.mark.parametrize("given", [*MALFORMED, traceparent(is_sampled=False)])
@on_a_loop
async def test_what_is_malformed_or_not_sampled_continues_no_trace(given):
    spans = RecordedSpans(share=0.0)
    async with GrpcDoor(tracer=spans.tracing) as door:
        metadata = (("traceparent", given),)
        await door.call("ModelInfer", question().SerializeToString(), metadata=metadata)
    assert spans.all() == []


@pytest.mark.parametrize(
    ("body", "code", "reason", "is_ours"),
    [
        (b"\xff", grpc.StatusCode.INVALID_ARGUMENT, "invalid", False),
        (question(9, 1).SerializeToString(), grpc.StatusCode.INTERNAL, "engine_failed", True),
    ],
)
@on_a_loop
async def test_a_refusal_has_its_code_and_its_reason(body, code, reason, is_ours):
    spans = RecordedSpans()
    async with GrpcDoor(tracer=spans.tracing) as door:
        door.memory.backends["sums"].fails_on = {9.0}
        assert (await door.refusal("ModelInfer", body)).code() == code
    root = spans.the(INFER)
    assert root.attributes["rpc.grpc.status_code"] == code.value[0]
    assert (root.attributes["error.type"], root.status.is_ok) == (reason, not is_ours)


@on_a_loop
async def test_a_call_whose_deadline_passes_ends_with_that():
    spans = RecordedSpans()
    async with GrpcDoor(tracer=spans.tracing) as door:
        held = await door.memory.hold()
        refused = await door.refusal("ModelInfer", late().SerializeToString())
        assert refused.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        root = spans.the(INFER)
        assert (root.attributes["error.type"], root.status.is_ok) == ("deadline", False)
        door.memory.backends["sums"].gate.set()
        assert (await held).status_code == 200


@on_a_loop
async def test_every_request_of_a_stream_is_a_span_of_the_stream_s_trace():
    spans = RecordedSpans()
    async with GrpcDoor(tracer=spans.tracing) as door:
        stream = door.stream(metadata=(("traceparent", traceparent()),))
        for model in ("sums", "nobody", "sums"):
            await stream.write(ModelInferRequest(**infer_fields(np.ones((1, 2, 2), np.float32), model=model)))
        await stream.done_writing()
        assert len([answer async for answer in stream]) == 3
    roots = spans.named(STREAM)
    assert {trace_id(root) for root in roots} == {TRACE_ID}
    codes = [root.attributes["rpc.grpc.status_code"] for root in roots]
    assert codes == [0, grpc.StatusCode.NOT_FOUND.value[0], 0]


@on_a_loop
async def test_questions_about_the_server_are_not_traced():
    spans = RecordedSpans()
    async with GrpcDoor(tracer=spans.tracing) as door:
        await door.ask("ServerLive")
    assert spans.all() == []
