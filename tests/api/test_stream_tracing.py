"""Every step of a stream is traced on its own, below whoever opened it."""

from __future__ import annotations

from live_server import LiveServer
from on_a_loop import on_a_loop
from recorded_spans import PARENT_ID, TRACE_ID, RecordedSpans, trace_id, traceparent
from stream_client import connected

ROUTE = "STEP /v2/models/{model}/stream"


@on_a_loop
async def test_steps_have_spans_with_the_request_id_and_the_opener_s_trace():
    spans = RecordedSpans()
    headers = {"traceparent": traceparent(), "x-request-id": "r7"}
    async with (
        LiveServer(tracer=spans.tracing) as server,
        connected(server, query="?rows=1", additional_headers=headers) as client,
    ):
        await client.hear()
        await client.ask("step", sequence=[[1, 2]])
        await client.ask("step", step=9, sequence=[[1, 2]])
    answered, refused = spans.named(ROUTE)
    for span in (answered, refused):
        assert (trace_id(span), f"{span.parent.span_id:016x}") == (TRACE_ID, PARENT_ID)
        assert span.attributes["carousel.request_id"] == "r7"
        assert span.attributes["network.protocol.name"] == "websocket"
    assert len(spans.below(answered, "compute")) + len(spans.below(answered, "batch")) > 0
    assert spans.below(refused, "batch") == []
