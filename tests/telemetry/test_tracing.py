"""Tracing as a whole: off, to a collector, and with a collector in trouble."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from doors import FINE
from memory_server import MemoryServer
from on_a_loop import on_a_loop
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from recorded_spans import TRACE_ID, RecordedSpans, traceparent
from structlog.testing import capture_logs

from service import app
from service.app import Carousel
from service.errors import InvalidSettings
from service.settings import Settings, read_settings
from service.telemetry.sparing_log import SparingLog


@pytest.fixture
def collector(monkeypatch):
    """What a collector on this machine is sent; the environment leads there."""
    received = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            received.append((self.path, ExportTraceServiceRequest.FromString(body)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    yield received
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def restored_logging():
    logger = logging.getLogger("opentelemetry")
    before = logger.handlers, logger.propagate
    yield
    logger.handlers, logger.propagate = before


def test_where_it_is_off_nothing_of_it_is_imported():
    script = """
import sys
import service.api.grpc.server, service.server
from service.app import Carousel
from service.settings import Settings
assert Carousel(Settings()).tracing is None
print([name for name in sys.modules if name.startswith("opentelemetry.sdk") or name.endswith("_spans")])
"""
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout == "[]\n"


def test_without_its_packages_the_setting_is_refused_with_the_remedy(monkeypatch):
    # Another test may have imported what is below it.
    for name in [name for name in sys.modules if name.startswith("opentelemetry.exporter")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter", None)
    with pytest.raises(InvalidSettings, match=r"CAROUSEL_TRACING: .*pip install -e '\.\[otel\]'"):
        read_settings(tracing="otlp")


@on_a_loop
async def test_a_collector_gets_the_spans_before_the_server_has_ended(collector, monkeypatch):
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    async with MemoryServer(tracing="otlp") as server:
        answer = await server.post("/predict/sums", FINE["predict"], traceparent=traceparent())
        assert answer.status_code == 200
        await server.carousel.stop()
    assert {path for path, _ in collector} == {"/v1/traces"}
    groups = [group for _, request in collector for group in request.resource_spans]
    spans = {span.name: span for group in groups for scope in group.scope_spans for span in scope.spans}
    assert set(spans) == {"POST /predict/{model}", "admission", "queue", "batch", "compute", "execution"}
    root = spans["POST /predict/{model}"]
    assert root.trace_id.hex() == TRACE_ID
    assert spans["execution"].links[0].span_id == root.span_id
    resource = {pair.key: pair.value.string_value for pair in groups[0].resource.attributes}
    assert (resource["service.name"], resource["deployment.environment.name"]) == ("carousel", "test")


@pytest.mark.parametrize("given", ["OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"])
def test_the_service_is_named_by_the_environment(monkeypatch, given):
    monkeypatch.setenv(given, "mine" if given == "OTEL_SERVICE_NAME" else "service.name=mine")
    spans = RecordedSpans()
    spans.tracing.request("asked", {}, {}).ended(is_error=False)
    assert spans.the("asked").resource.attributes["service.name"] == "mine"


@on_a_loop
async def test_a_terminal_gets_one_line_of_json_a_span(capsys):
    async with MemoryServer(tracing="console") as server:
        await server.post("/predict/sums", FINE["predict"])
        await server.carousel.stop()
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    assert "compute" in [line["name"] for line in lines]


@on_a_loop
async def test_without_a_collector_every_request_is_answered_and_the_end_is_not_held_up(monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    # Seconds; else it would try on while other tests run.
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.1")
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "4")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4")
    with capture_logs() as lines:
        async with MemoryServer(tracing="otlp") as server:
            for _ in range(20):
                assert (await server.post("/predict/sums", FINE["predict"])).status_code == 200
            await server.carousel.stop()
    complaints = [line["event"] for line in lines if "opentelemetry" in line.get("logger", "")]
    assert "Queue full, dropping Span." in complaints
    assert len(complaints) == len(set(complaints)) < 5


class Deaf:
    """Tracing whose collector takes nothing until the test lets it."""

    batches = None

    def __init__(self) -> None:
        self.is_let_go = threading.Event()

    def close(self) -> None:
        assert self.is_let_go.wait(20)


@on_a_loop
async def test_a_collector_that_hangs_holds_up_the_end_for_a_bounded_time(monkeypatch):
    monkeypatch.setattr(app, "_LONGEST_FLUSH_S", 0.05)
    deaf = Deaf()
    with capture_logs() as lines:
        await asyncio.wait_for(Carousel(Settings(), deaf).stop(), 10)
    deaf.is_let_go.set()
    assert "spans are lost: the collector did not take them" in [line["event"] for line in lines]


def test_the_same_complaint_is_logged_once_a_minute_with_how_often_it_was_meant():
    now_s = 0.0
    log = SparingLog(lambda: now_s)

    def complain(line=7):
        log.handle(logging.LogRecord("opentelemetry.x", 40, "", line, "no %s", ("collector",), None))

    with capture_logs() as lines:
        for _ in range(5):
            complain()
        complain(line=8)
        now_s = 60.0
        complain()
    told = [(line["event"], line["log_level"], line["left_out"]) for line in lines]
    assert told == [("no collector", "error", 0), ("no collector", "error", 0), ("no collector", "error", 4)]
