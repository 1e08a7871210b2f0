"""The language model goes on with a text; what it says is what it would have said to the whole of it."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

from memory_server import MemoryServer
from on_a_loop import on_a_loop
from questions import serving_bundles

MODELS = Path(__file__).parents[2] / "models"
GENERATE = "/v2/models/moby/generate"
ASKED = {"text_input": "Call me Ishm", "steps": 12, "temperature": 0}


async def likeliest(http, text: str, steps: int) -> str:
    """One symbol after the other, each asked with the whole text before it."""
    said = ""
    for _ in range(steps):
        answer = (await http.post("/predict/moby", json={"sequence": text + said})).json()
        said += answer["predictions"][0]["next"][0]["symbol"]
    return said


@on_a_loop
async def test_every_way_to_go_on_with_a_text():
    async with serving_bundles(MODELS, models="moby") as served:
        due = await likeliest(served.http, ASKED["text_input"], ASKED["steps"])
        answer = (await served.http.post(GENERATE, json=ASKED)).json()
        assert answer["text_output"] == due
        assert (answer["steps"], answer["finish_reason"]) == (12, "length")
        events = await served.http.post(f"{GENERATE}_stream", json=ASKED)
        assert events.headers["content-type"].startswith("text/event-stream")
        told = [json.loads(line.removeprefix("data: ")) for line in events.text.split("\n\n") if line]
        assert "".join(piece["text_output"] for piece in told) == due
        assert told[-1]["finish_reason"] == "length"
        stopped = (await served.http.post(GENERATE, json=ASKED | {"stop": [due[4:6]]})).json()
        assert (stopped["text_output"], stopped["finish_reason"]) == (due[: due.index(due[4:6])], "stop")
        free = ASKED | {"temperature": 1.2, "top_k": 20, "seed": 5, "steps": 40}
        twice = [(await served.http.post(GENERATE, json=free)).json()["text_output"] for _ in range(2)]
        other = (await served.http.post(GENERATE, json=free | {"seed": 6})).json()["text_output"]
        assert twice[0] == twice[1] != other
        metrics = (await served.http.get("/metrics")).text
        assert 'carousel_sessions_active{model="moby",version="1"} 0.0' in metrics


@on_a_loop
async def test_a_text_that_breaks_off_says_how_far_it_came_and_how_to_say_it_again():
    async with serving_bundles(MODELS, models="moby") as served:
        long = {"text_input": "Call me Ishm", "steps": 65_536, "seed": 7, "timeout_ms": 1000}
        events = await served.http.post(f"{GENERATE}_stream", json=long)
        *pieces, last = [
            json.loads(line.removeprefix("data: ")) for line in events.text.split("\n\n") if line
        ]
        assert last.pop("error").startswith("timeout: the deadline passed after ")
        assert last == {"model_name": "moby", "model_version": "1", "steps": len(pieces), "seed": 7}


FAULTS = [
    ({}, "text_input: expected at least one character"),
    ({"text_input": ""}, "text_input: expected at least one character"),
    ({"text_input": "naïve"}, "text_input: character 2"),
    ({"steps": 0}, "steps: expected a whole number from 1"),
    ({"steps": True}, "steps: expected a whole number from 1"),
    ({"temperature": -1}, "temperature: expected a number from 0"),
    ({"top_k": 0}, "top_k: expected a whole number from 1"),
    ({"stop": ""}, "stop: expected a text"),
    ({"stop": [1]}, "stop: expected a text"),
    ({"seed": -1}, "seed: expected a whole number from 0"),
    ({"timeout_ms": 0}, "timeout_ms: expected a number above 0"),
    ({"prompt": "x"}, "body: unknown field prompt"),
]


@on_a_loop
async def test_what_is_not_asked_for_rightly_is_refused_by_name():
    async with serving_bundles(MODELS, models="moby") as served:
        for (body, words), path in product(FAULTS, (GENERATE, f"{GENERATE}_stream")):
            refusal = await served.http.post(path, json=({"text_input": "a"} if body else {}) | body)
            assert (refusal.status_code, refusal.json()["error"][: len(words)]) == (400, words)


@on_a_loop
async def test_only_language_models_generate():
    async with MemoryServer() as server:
        refusal = await server.client.post("/v2/models/sums/generate", json={"text_input": "a"})
        assert refusal.status_code == 400
        assert refusal.json()["error"].startswith("model: sums is no language model")
