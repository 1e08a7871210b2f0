"""Forecasts that are fed back: what they say is what feeding back by hand says, whoever rides beside."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from fakes import running_sum
from memory_server import MemoryServer
from on_a_loop import on_a_loop
from questions import serving_bundles

from service.repository.golden import read_golden
from service.repository.manifest import read_manifest

MODELS = Path(__file__).parents[2] / "models"
SUMS = "/v2/models/sums/forecast"
PAST = [[1.0, 2.0], [0.0, -1.0]]
FUTURE = [[3.0], [1.0], [-2.0]]


def by_hand(past, future) -> np.ndarray:
    """Feeding back over the whole of what was seen, each time anew."""
    seen, outputs = np.array(past, np.float64), []
    for known in [*future, None]:
        outputs.append(running_sum(seen)[-1])
        if known is not None:
            seen = np.vstack([seen, [known[0], outputs[-1][1]]])
    return np.array(outputs)


def told(events: str) -> list[dict]:
    return [json.loads(line.removeprefix("data: ")) for line in events.split("\n\n") if line]


@pytest.mark.parametrize("model", ["sums", "running"])
@on_a_loop
async def test_a_forecast_is_what_feeding_back_by_hand_says(model):
    async with MemoryServer() as server:
        path, asked = f"/v2/models/{model}/forecast", {"sequence": PAST, "steps": 4, "future": FUTURE}
        answer = (await server.client.post(path, json=asked)).json()
        np.testing.assert_array_equal(answer.pop("outputs"), by_hand(PAST, FUTURE))
        assert answer == {"model_name": model, "model_version": "1", "steps": 4}
        events = await server.client.post(f"{path}_stream", json=asked)
        assert events.headers["content-type"].startswith("text/event-stream")
        *pieces, last = told(events.text)
        assert [piece["step"] for piece in pieces] == [1, 2, 3, 4]
        np.testing.assert_array_equal([piece["output"] for piece in pieces], by_hand(PAST, FUTURE))
        assert last == answer
        assert server.metric("sessions_active", model=model, version="1") == 0


@pytest.mark.parametrize("model", ["sums", "running"])
@on_a_loop
async def test_a_forecast_goes_on_from_a_session_and_leaves_it_where_it_is(model):
    async with MemoryServer() as server:
        path, sessions, due = (
            f"/v2/models/{model}/forecast",
            f"/v2/models/{model}/sessions",
            by_hand(PAST, FUTURE),
        )
        await server.client.post(sessions, json={"id": "talk"})
        asked = {"steps": 4, "future": FUTURE, "session": "talk"}
        refusal = await server.client.post(path, json=asked)
        assert refusal.json()["error"].startswith("sequence: the session has seen no step yet")
        await server.client.post(f"{sessions}/talk/steps", json={"sequence": PAST[:1]})
        further = (await server.client.post(path, json=asked | {"sequence": PAST[1:]})).json()
        np.testing.assert_array_equal(further["outputs"], due)
        await server.client.post(f"{sessions}/talk/steps", json={"sequence": PAST[1:], "step": 2})
        for _ in range(2):
            answer = (await server.client.post(path, json=asked)).json()
            np.testing.assert_array_equal(answer["outputs"], due)
        assert (await server.client.get(f"{sessions}/talk")).json()["step"] == 2
        assert server.metric("sessions_active", model=model, version="1") == 1
        await server.client.post(sessions, json={"id": "pair", "rows": 2})
        refusal = await server.client.post(path, json=asked | {"session": "pair"})
        assert refusal.json()["error"] == "session: has 2 rows, expected one with one"


@on_a_loop
async def test_a_forecast_waits_for_the_step_that_runs_in_its_session_and_no_longer_than_it_may():
    async with MemoryServer() as server:
        backend, sessions = server.backends["sums"], "/v2/models/sums/sessions"
        await server.client.post(sessions, json={"id": "talk"})
        backend.gate.clear()
        step = asyncio.create_task(server.client.post(f"{sessions}/talk/steps", json={"sequence": PAST}))
        assert await asyncio.to_thread(backend.entered.acquire, timeout=10)
        asked = {"steps": 4, "future": FUTURE, "session": "talk"}
        late = await server.client.post(SUMS, json=asked | {"timeout_ms": 50})
        assert (late.status_code, late.json()["error"][:32]) == (504, "timeout: the deadline passed whi")
        waiting = asyncio.create_task(server.client.post(SUMS, json=asked))
        backend.gate.set()
        np.testing.assert_array_equal((await waiting).json()["outputs"], by_hand(PAST, FUTURE))
        assert (await step).status_code == 200
        assert server.metric("sessions_active", model="sums", version="1") == 1


FAULTS = [
    ({"steps": ...}, 400, "steps: expected a whole number from 1 to"),
    ({"steps": 0}, 400, "steps: expected a whole number from 1 to"),
    ({"steps": 1 << 17}, 400, "steps: expected a whole number from 1 to 65536"),
    ({"steps": True}, 400, "steps: expected a whole number from 1 to"),
    ({"sequence": ...}, 400, "sequence: is missing"),
    ({"sequence": []}, 400, "sequence: is empty"),
    ({"sequence": [[1, 2, 3]]}, 400, "sequence: expected steps x 2"),
    (
        {"future": ...},
        400,
        "future: got nothing, expected 3 x 1: of every step ahead but the last",
    ),
    ({"future": FUTURE[1:]}, 400, "future: got 2 x 1, expected 3 x 1"),
    ({"future": [[1, 2]] * 3}, 400, "future: got 3 x 2, expected 3 x 1"),
    ({"future": 3}, 400, "future: expected a list of steps"),
    ({"future": [[1], [1, 2], [1]]}, 400, "future: lists side by side differ in shape: expected steps x 1"),
    ({"future": [[1], [1e300], [1]]}, 400, "future: step 1, value 0 is not a finite float32 number"),
    ({"steps": 1}, 400, "future: got 3 x 1, expected none"),
    ({"session": ""}, 400, "session: expected the id of an open session"),
    ({"session": "none"}, 404, "session: there is no 'none' here"),
    ({"timeout_ms": 0}, 400, "timeout_ms: expected a number above 0"),
    ({"timeout_ms": 1e-6}, 504, "timeout: the deadline"),
    ({"priority": 0}, 400, "priority: expected a whole number"),
    ({"horizon": 3}, 400, "body: unknown field horizon"),
]


@on_a_loop
async def test_what_is_not_asked_for_rightly_is_refused_by_name_and_leaves_nothing():
    good = {"sequence": PAST, "steps": 4, "future": FUTURE}
    async with MemoryServer() as server:
        for (changes, status, words), path in product(FAULTS, (SUMS, f"{SUMS}_stream")):
            body = {field: value for field, value in (good | changes).items() if value is not ...}
            refusal = await server.client.post(path, json=body)
            assert (refusal.status_code, refusal.json()["error"][: len(words)]) == (status, words)
        refusal = await server.client.post("/v2/models/letters/forecast", json=good)
        assert refusal.json()["error"].startswith("model: the manifest of letters has no feedback")
        assert server.metric("sessions_active", model="sums", version="1") == 0


@on_a_loop
async def test_a_step_that_fails_is_told_with_its_status_or_in_an_event():
    async with MemoryServer() as server:
        # A sequence's first number is its name: that of the second step ahead.
        server.backends["sums"].fails_on = {1.0}
        asked = {"sequence": [[5.0, 2.0]], "steps": 4, "future": FUTURE}
        refusal = await server.client.post(SUMS, json=asked)
        assert (refusal.status_code, refusal.json()["error"]) == (500, "the device is on fire")
        *pieces, last = told((await server.client.post(f"{SUMS}_stream", json=asked)).text)
        assert [piece["step"] for piece in pieces] == [1, 2]
        ending = {"model_name": "sums", "model_version": "1", "steps": 2}
        assert last == {"error": "the device is on fire"} | ending
        assert server.metric("sessions_active", model="sums", version="1") == 0


def body_on_the_page() -> dict:
    """What the page's program pipes into curl."""
    page = (MODELS.parent / "docs" / "04-streaming.md").read_text()
    (program,) = re.findall(r"^python3 - <<'END' .*/traffic/forecast .*\n([^`]*)^END$", page, re.MULTILINE)
    command = [sys.executable, "-c", program]
    return json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)


@on_a_loop
async def test_the_example_on_the_page_is_a_day_of_traffic():
    body = body_on_the_page()
    async with serving_bundles(MODELS, models="traffic") as served:
        answer = await served.http.post("/v2/models/traffic/forecast", json=body)
        assert answer.status_code == 200, answer.text
        volumes = np.array(answer.json()["outputs"])[:, 0]
        assert (answer.json()["unit"], len(volumes)) == ("vehicles/h", 24)
        assert volumes.min() < 1500
        assert volumes.max() > 4000


async def fed_back_over_predict(http, name, past, future, loop) -> np.ndarray:
    """The growing sequence, asked whole before every step."""
    outputs = []
    for ahead in range(len(future) + 1):
        body = {"sequence": past.tolist(), "include_outputs": True}
        answer = (await http.post(f"/predict/{name}", json=body)).json()
        outputs.append(np.array(answer["predictions"][0]["output"], np.float32))
        if ahead < len(future):
            past = np.concatenate([past, loop.next_step(outputs[-1], future[ahead])])
    return np.array(outputs)


@pytest.mark.parametrize(("name", "steps"), [("traffic", 30), ("winds", 3)])
def test_real_forecasters_in_company_say_what_they_say_fed_back_by_hand(name, steps):
    folder = MODELS / name / "1"
    manifest, golden = read_manifest(folder), read_golden(folder)
    loop = manifest.feedback.loop(manifest.signature)

    async def forecast(http, past, future):
        body = {"sequence": past.tolist(), "steps": len(future) + 1, "future": future.tolist()}
        answer = await http.post(f"/v2/models/{name}/forecast", json=body)
        assert answer.status_code == 200, answer.text
        assert answer.json()["unit"] == manifest.output.unit
        return np.array(answer.json()["outputs"], np.float32)

    @on_a_loop
    async def compare():
        async with serving_bundles(MODELS, models=name) as served:
            pasts = [sequence[:count] for sequence in golden.sequences for count in (3, 5)]
            futures = [np.roll(golden.sequences[0], row, axis=0)[: steps - 1, loop.known] for row in range(6)]
            asked = zip(pasts, futures, strict=True)
            together = await asyncio.gather(*(forecast(served.http, *one) for one in asked))
            for outputs, past, future in zip(together, pasts, futures, strict=True):
                due = await fed_back_over_predict(served.http, name, past, future, loop)
                # What differs in a step's last bits is fed back too.
                np.testing.assert_allclose(outputs, due, rtol=0, atol=steps * manifest.tolerance.chunked)

    compare()


@on_a_loop
async def test_a_known_value_may_be_said_once_for_all_cells():
    golden = read_golden(MODELS / "winds" / "1")
    past, months = golden.sequences[0][:3], [4, 5]
    async with serving_bundles(MODELS, models="winds") as served:
        body = {"sequence": past.tolist(), "steps": 3, "future": [[month] for month in months]}
        short = await served.http.post("/v2/models/winds/forecast", json=body)
        cells = np.broadcast_to(np.array(months)[:, None, None, None], (2, 1, 36, 72))
        whole = await served.http.post("/v2/models/winds/forecast", json=body | {"future": cells.tolist()})
        assert short.json() == whole.json()
        long = await served.http.post("/v2/models/winds/forecast", json=body | {"steps": 203})
        assert long.json()["error"] == "steps: expected a whole number from 1 to 202"
        config = (await served.http.get("/v2/models/winds/config")).json()
        assert json.loads(config["parameters"]["feedback"]["string_value"]) == {
            "step": [0, 1],
            "output": [0, 1],
            "future": {
                "shape": [1, 36, 72],
                "features": ["month of the year, 1 to 12, the same in every cell"],
            },
        }
