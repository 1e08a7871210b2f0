"""Who asks for many steps and leaves: none is run for nobody, and nothing is left open."""

from __future__ import annotations

import json
from pathlib import Path

import orjson
import pytest
from live_server import LiveServer, request
from on_a_loop import on_a_loop
from serving import running

from service.app import Carousel
from service.settings import Settings

MODELS = Path(__file__).parents[2] / "models"
STEPS = 60_000
# Zeros sum up to zero, however often they are fed back.
FORECAST = {"sequence": [[0, 0]], "steps": STEPS, "future": [[0]] * (STEPS - 1)}
ACTIVE = {"model": "sums", "version": "1"}


@pytest.mark.parametrize("path", ["forecast", "forecast_stream"])
@on_a_loop
async def test_a_forecast_stops_when_its_caller_leaves(path):
    async with LiveServer() as server:
        connection = await server.connect()
        await connection.send(request(f"/v2/models/sums/{path}", orjson.dumps(FORECAST)))
        await server.until(lambda: len(server.memory.backends["sums"].batches) > 3)
        assert server.memory.metric("sessions_active", **ACTIVE) == 1
        await connection.leave()
        await server.until(lambda: server.memory.metric("sessions_active", **ACTIVE) == 0)
        assert len(server.memory.backends["sums"].batches) < STEPS


@on_a_loop
async def test_a_text_is_not_gone_on_with_for_nobody():
    carousel = Carousel(Settings(models_dir=MODELS, engines=(), models=frozenset({"moby"})))
    body = json.dumps({"text_input": "Call me Ishm", "steps": STEPS}).encode()
    received = iter([{"type": "http.request", "body": body}])
    sent = []

    async def receive():
        return next(received, {"type": "http.disconnect"})

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v2/models/moby/generate",
        "raw_path": b"/v2/models/moby/generate",
        "query_string": b"",
        "headers": [],
    }
    async with running(carousel):
        await carousel(scope, receive, send)
        value = carousel.metrics.registry.get_sample_value
        assert value("carousel_rejected_total", {"reason": "client_gone"}) == 1
        assert value("carousel_sessions_active", {"model": "moby", "version": "1"}) == 0
        assert not value("carousel_steps_total", {"model": "moby", "version": "1", "device": "cpu"})
