"""POST /v2/models/{model}/inspect: what the gates did, for one sequence, or a refusal that says why not."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import numpy as np
import pytest
from api_keys import KEYS, key_file
from bundles import SYMBOLS
from on_a_loop import on_a_loop
from serving import running

from service.api import inspection_json
from service.app import Carousel
from service.domain.clock import LoopClock
from service.domain.inference import InferRequest
from service.errors import EngineFailed
from service.inspection.inspector import Inspector
from service.settings import Settings

WALK = [[0.1, 0.2], [0.3, -0.4], [1, 2], [-1, 0]]
GAIT = "/v2/models/gait/inspect"
LETTERS = "/v2/models/letters/inspect"


@asynccontextmanager
async def serving(models_dir, **settings):
    """A client, and the server it asks."""
    carousel = Carousel(Settings(models_dir=models_dir, engines=(), **settings))
    transport = httpx.ASGITransport(app=carousel)
    async with (
        running(carousel),
        httpx.AsyncClient(transport=transport, base_url="http://carousel") as client,
    ):
        yield client, carousel


@on_a_loop
async def test_every_gate_of_every_layer_is_told_with_the_prediction(published):
    async with serving(published) as (client, _):
        answer = (await client.post(LETTERS, json={"sequence": "abcah"})).json()
        (predicted,) = (await client.post("/predict/letters", json={"sequence": "abcah"})).json()[
            "predictions"
        ]
    assert answer["prediction"] == predicted
    assert (answer["model"], answer["version"], answer["steps"]) == ("letters", "1", 5)
    assert answer["largest_difference"]["hidden"] < 1e-5
    assert answer["largest_difference"]["output"] == 0
    assert [(layer["operator"], layer["hidden_size"]) for layer in answer["layers"]] == [("LSTM", 6)] * 2
    for layer in answer["layers"]:
        (direction,) = layer["directions"]
        assert direction["direction"] == "forward"
        assert list(direction["gates"]) == ["input", "forget", "output", "candidate"]
        for values in (*direction["gates"].values(), direction["cell"], direction["hidden"]):
            assert np.shape(values) == (5, 6)
            assert np.round(values, answer["decimals"]).tolist() == values


@on_a_loop
async def test_units_are_those_columns_and_a_summary_is_their_spread(published):
    async with serving(published) as (client, _):
        whole = (await client.post(GAIT, json={"sequence": WALK})).json()
        some = (await client.post(GAIT, json={"sequence": WALK, "units": [4, 1]})).json()
        told = (await client.post(GAIT, json={"sequence": WALK, "summary": True, "units": [4, 1]})).json()
    (whole,), (some,), (told,) = (answer["layers"][0]["directions"] for answer in (whole, some, told))
    assert some["cell"] == np.array(whole["cell"])[:, [4, 1]].tolist()
    forget = np.array(some["gates"]["forget"])
    assert told["gates"]["forget"].keys() == {"mean", "min", "max", "closed", "open"}
    np.testing.assert_allclose(told["gates"]["forget"]["mean"], forget.mean(axis=1), atol=1e-6)
    assert told["gates"]["forget"]["min"] == forget.min(axis=1).tolist()
    assert told["gates"]["forget"]["closed"] == (forget < 0.1).mean(axis=1).tolist()
    assert told["gates"]["candidate"].keys() == told["cell"].keys() == {"mean", "min", "max"}


@on_a_loop
async def test_peepholes_are_told_and_a_version_can_be_named(published):
    async with serving(published) as (client, _):
        answers = [
            await client.post(f"/v2/models/{model}/inspect", json={"sequence": sequence})
            for model, sequence in (("gait/versions/1", WALK), ("gait", WALK), ("letters", "a"))
        ]
    assert [answer.json()["layers"][0]["peepholes"] for answer in answers] == [True, True, False]
    assert answers[0].json() == answers[1].json()


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({}, 400, "sequence: is missing: an inspection is of one sequence"),
        (
            {"sequences": [WALK]},
            400,
            "body: unknown field sequences, known are sequence, summary, timeout_ms",
        ),
        ({"sequence": [[1, 2, 3]]}, 400, "sequence: expected steps x 2, got 1 x 3"),
        ({"sequence": []}, 400, "sequence: is empty"),
        ({"sequence": WALK, "units": []}, 400, "units: expected a list of whole numbers from 0"),
        ({"sequence": WALK, "units": [-1]}, 400, "units: expected a list of whole numbers from 0"),
        ({"sequence": WALK, "units": 3}, 400, "units: expected a list of whole numbers from 0"),
        ({"sequence": WALK, "units": [1, 1]}, 400, "units: names a unit twice"),
        ({"sequence": WALK, "units": [6]}, 400, "units: 6 is outside 0 to 5, the units of "),
        ({"sequence": WALK, "summary": 1}, 400, "summary: expected true or false"),
        ({"sequence": WALK, "timeout_ms": 0}, 400, "timeout_ms: expected a number above 0"),
        ({"sequence": WALK, "timeout_ms": 1e-6}, 504, ""),
        ({"sequence": WALK * 6}, 413, "sequence: 24 steps of a model with 6 units are 144 unit steps to"),
    ],
)
@on_a_loop
async def test_what_cannot_be_inspected_is_refused_by_name(published, body, status, words):
    async with serving(published, max_inspected_unit_steps=100) as (client, _):
        answer = await client.post(GAIT, json=body)
    assert (answer.status_code, answer.json()["error"][: len(words)]) == (status, words)


@on_a_loop
async def test_an_answer_too_large_to_send_says_what_would_be_smaller(published, monkeypatch):
    monkeypatch.setattr(inspection_json, "_MOST_NUMBERS", 6 * 6 * 4 - 1)
    async with serving(published) as (client, _):
        refused = await client.post(GAIT, json={"sequence": WALK})
        asked_for_less = [
            await client.post(GAIT, json={"sequence": WALK} | less)
            for less in ({"units": [0]}, {"summary": True})
        ]
    assert refused.status_code == 413
    assert refused.json()["error"].endswith("name fewer units, or ask for a summary")
    assert [answer.status_code for answer in asked_for_less] == [200, 200]


@on_a_loop
async def test_an_unknown_model_and_another_method_are_refused(published):
    async with serving(published) as (client, _):
        unknown = await client.post("/v2/models/nobody/inspect", json={"sequence": WALK})
        other = await client.get(GAIT)
    assert unknown.status_code == 404
    assert (other.status_code, other.headers["allow"]) == (405, "POST")


@on_a_loop
async def test_more_than_a_few_at_a_time_are_sent_away_and_the_others_answered(published):
    async with serving(published) as (client, _):
        answers = await asyncio.gather(*(client.post(GAIT, json={"sequence": WALK}) for _ in range(6)))
        after = await client.post(GAIT, json={"sequence": WALK})
    assert sorted(answer.status_code for answer in answers) == [200] * 4 + [429] * 2
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["error"] == "inspection: 4 are being answered, which is the most at a time"
    assert after.status_code == 200


@on_a_loop
async def test_whoever_waits_too_long_for_a_turn_is_told_and_predictions_do_not_wait(published):
    async with serving(published) as (_, carousel):
        inspector = Inspector(carousel.predictor, carousel.settings, LoopClock())
        request = InferRequest("gait", [np.array(WALK)], timeout_s=0.05)
        async with inspector._turn:
            with pytest.raises(Exception, match="the deadline passed during the inspection"):
                await inspector.inspect(request, lambda answer: answer)
            assert (await carousel.predictor.infer(request._replace(timeout_s=20))).outputs
        assert (await inspector.inspect(request._replace(timeout_s=20), lambda answer: answer)).result.outputs


@on_a_loop
async def test_an_output_that_is_not_the_one_that_was_served_is_refused(published):
    async with serving(published) as (_, carousel):
        inspector = Inspector(carousel.predictor, carousel.settings, LoopClock())
        request = InferRequest("gait", [np.array(WALK)])
        answer = await inspector.inspect(request, lambda answer: answer)
        served = replace(answer.inspection, output=answer.inspection.output + 0.5)
        with pytest.raises(
            EngineFailed, match=r"^inspection: its output differs by 0\.5 from the answer of cpu"
        ):
            inspector._checked_difference(answer.model, answer.result, served)


@on_a_loop
async def test_a_file_that_has_changed_since_it_was_proved_is_not_inspected(models_dir):
    async with serving(models_dir) as (client, _):
        path = models_dir / "gait" / "1" / "model.onnx"
        path.write_bytes(path.read_bytes() + b"\0")
        answer = await client.post(GAIT, json={"sequence": WALK})
        assert (await client.post("/predict/gait", json={"sequence": WALK})).status_code == 200
    assert answer.status_code == 500
    assert answer.json()["error"].endswith("has changed since it was looked through")


@on_a_loop
async def test_whoever_may_infer_may_inspect_and_nobody_else(published, tmp_path):
    async with serving(published, api_keys_file=key_file(tmp_path)) as (client, _):
        keys = [None, KEYS["late"], KEYS["user"]]
        answers = [
            await client.post(GAIT, json={"sequence": WALK}, headers={"x-api-key": key} if key else {})
            for key in keys
        ]
    assert [answer.status_code for answer in answers] == [401, 401, 200]


@on_a_loop
async def test_the_documented_examples_are_answered(published):
    async with serving(published) as (client, _):
        paths = (await client.get("/openapi.json")).json()["paths"]
        for path in ("/v2/models/{model}/inspect", "/v2/models/{model}/versions/{version}/inspect"):
            examples = paths[path]["post"]["requestBody"]["content"]["application/json"]["examples"]
            assert examples.keys() == {"gait", "letters"}
            for name, example in examples.items():
                answer = await client.post(path.format(model=name, version="1"), json=example["value"])
                assert answer.status_code == 200
    assert set(examples["letters"]["value"]["sequence"]) <= set(SYMBOLS)
