"""What the server says about itself: health, models, documentation, metrics, the page."""

from __future__ import annotations

import json

import pytest
from doors import FINE
from memory_server import SYMBOLS, MemoryServer
from on_a_loop import on_a_loop


@on_a_loop
async def test_a_draining_server_is_live_but_not_ready_and_still_answers():
    async with MemoryServer() as server:
        assert (await server.client.get("/v2/health/ready")).json() == {"ready": True, "degraded": False}
        server.carousel.drain()
        unready = await server.client.get("/v2/health/ready")
        assert unready.status_code == 503
        assert unready.json() == {"error": "not ready: loading or draining"}
        assert (await server.client.get("/v2/health/live")).json() == {"live": True}
        told = await server.client.get("/v2/models/sums/ready")
        assert told.status_code == 503
        assert told.json() == {
            "error": "not ready: loading or draining",
            "name": "sums",
            "ready": False,
            "engine": "onnxruntime",
            "device": "fake",
            "degraded": False,
            "refused_engines": {},
        }
        assert (await server.post("/predict/sums", FINE["predict"])).status_code == 200


@pytest.mark.parametrize(
    ("model", "inputs", "outputs"),
    [
        (
            "sums",
            [("sequence", "FP32", [-1, -1, 2]), ("lengths", "INT32", [-1, 1])],
            [("output", "FP32", [-1, 2])],
        ),
        (
            "letters",
            [("sequence", "INT32", [-1, -1]), ("lengths", "INT32", [-1, 1])],
            [("output", "FP32", [-1, -1, 2]), ("lengths", "INT32", [-1])],
        ),
    ],
)
@on_a_loop
async def test_a_model_s_tensors_are_told_as_they_are_sent(model, inputs, outputs):
    async with MemoryServer() as server:
        told = (await server.client.get(f"/v2/models/{model}")).json()
        assert (told["name"], told["versions"]) == (model, ["1"])
        for tensors, due in ((told["inputs"], inputs), (told["outputs"], outputs)):
            assert [(tensor["name"], tensor["datatype"], tensor["shape"]) for tensor in tensors] == due
        assert (await server.client.get(f"/v2/models/{model}/versions/1")).json() == told


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/v2/models/nobody", "model: there is no nobody"),
        ("/v2/models/nobody/ready", "model: there is no nobody"),
        ("/v2/models/sums/versions/7", "version: sums has no version 7"),
        ("/v2/models/sums/versions/7/ready", "version: sums has no version 7"),
        ("/nowhere", "Not Found"),
    ],
)
@on_a_loop
async def test_what_is_not_there_is_told_in_the_same_form_everywhere(path, message):
    async with MemoryServer() as server:
        refusal = await server.client.get(path)
        assert refusal.status_code == 404
        assert refusal.json()["error"].startswith(message)


@on_a_loop
async def test_a_model_s_configuration_has_the_symbols_that_its_texts_are_made_of():
    async with MemoryServer() as server:
        config = (await server.client.get("/v2/models/letters/config")).json()
        assert json.loads(config["parameters"]["symbols"]["string_value"]) == list(SYMBOLS)
        config = (await server.client.get("/v2/models/sums/config")).json()
        assert "symbols" not in config["parameters"]


@on_a_loop
async def test_the_metrics_page_is_prometheus_text():
    async with MemoryServer() as server:
        await server.post("/predict/sums", FINE["predict"])
        page = await server.client.get("/metrics")
        assert page.headers["content-type"].startswith("text/plain; version=")
        assert 'carousel_sequences_total{device="fake",model="sums",version="1"} 1.0' in page.text


@on_a_loop
async def test_the_page_escapes_what_it_shows():
    async with MemoryServer() as server:
        server.carousel.registry.add_failure("x", "1", "<script>alert(1)</script>")
        page = (await server.client.get("/")).text
        assert "<script>" not in page
        assert "&lt;script&gt;" in page
        assert "running sums" in page


@on_a_loop
async def test_the_documentation_covers_both_doors_and_every_refusal():
    async with MemoryServer() as server:
        schema = (await server.client.get("/openapi.json")).json()
        for path in ("/predict/{model}", "/v2/models/{model}/infer"):
            assert set(schema["paths"][path]) == {"post"}
            assert {"200", "400", "404", "413", "415", "429", "500", "503", "504"} <= set(
                schema["paths"][path]["post"]["responses"]
            )
        assert (await server.client.get("/docs")).status_code == 200
