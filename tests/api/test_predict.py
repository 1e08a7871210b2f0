"""POST /predict: what only this door knows: one or several, text, raw outputs."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import running_sum
from memory_server import MemoryServer
from on_a_loop import on_a_loop

STEP = [1, 2]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "body: expected either sequence (one) or sequences"),
        ({"sequence": [STEP], "sequences": [[STEP]]}, "body: expected either sequence (one) or sequences"),
        ({"sequences": []}, "sequences: is empty"),
        ({"sequences": {"0": [STEP]}}, "sequences: expected a list"),
        ({"sequences": [STEP]}, "expected steps x 2, got 2"),
        ({"sequences": [[STEP], "ab"]}, "sequences[1]: expected a list of steps, got a string"),
        ({"sequences": [[STEP], [[1]]]}, "sequences[1]: expected steps x 2, got 1 x 1"),
        ({"sequences": [[STEP], [STEP, [1, 1e39]]]}, "sequences[1]: step 1, value 1 is not a finite"),
        ({"sequence": None}, "sequence: expected a list of steps, got null"),
        ({"sequence": 5}, "sequence: expected a list of steps, got a number"),
        ({"sequence": True}, "sequence: expected a list of steps, got true or false"),
        ({"sequence": {"a": 1}}, "sequence: expected a list of steps, got an object"),
        ({"sequence": "ab"}, "sequence: expected a list of steps, got a string"),
        ({"sequence": [STEP], "timeout": 5}, "body: unknown field timeout, known are"),
        ({"sequence": [STEP], "timeout_ms": 0}, "timeout_ms: expected a number above 0"),
        ({"sequence": [STEP], "include_outputs": "no"}, "include_outputs: expected true or false"),
        ({"sequence": [STEP], "include_outputs": 1}, "include_outputs: expected true or false"),
    ],
)
@on_a_loop
async def test_a_body_that_asks_nothing_clear_is_refused_by_name(body, words):
    async with MemoryServer() as server:
        refusal = await server.post("/predict/sums", body)
        assert refusal.status_code == 400
        assert words in refusal.json()["error"]
        assert server.metric("rejected_total", reason="invalid") == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "sequence: is empty"),
        ("abz", "sequence: character 2, 'z', is not one of the model's symbols"),
        ("a b", "sequence: character 1, ' ', is not one of the model's symbols"),
        ("aB", "sequence: character 1, 'B', is not one of the model's symbols"),
        ("a\U0001f422", "sequence: character 1, '\U0001f422', is not one of the model's symbols"),
        ("a\u0000", "sequence: character 1, '\\x00', is not one of the model's symbols"),
    ],
)
@on_a_loop
async def test_text_of_other_symbols_is_refused_and_says_where(text, words):
    async with MemoryServer() as server:
        refusal = await server.post("/predict/letters", {"sequence": text})
        assert refusal.status_code == 400
        assert words in refusal.json()["error"]


@on_a_loop
async def test_text_and_its_symbol_ids_have_the_same_answer():
    async with MemoryServer() as server:
        as_text = await server.post("/predict/letters", {"sequence": "hagbah"})
        as_ids = await server.post("/predict/letters", {"sequence": [7, 0, 6, 1, 0, 7]})
        assert as_text.json()["predictions"] == as_ids.json()["predictions"]
        due = running_sum(np.array([7, 0, 6, 1, 0, 7]))
        assert as_text.json()["predictions"][0]["output"] == due.tolist()


@on_a_loop
async def test_several_sequences_of_any_lengths_are_answered_in_their_order():
    async with MemoryServer() as server:
        sequences = [
            [[number, step] for step in range(steps)] for number, steps in enumerate((9, 1, 30, 4, 9))
        ]
        answer = (await server.post("/predict/sums", {"sequences": sequences})).json()
        due = [running_sum(np.array(sequence))[-1].tolist() for sequence in sequences]
        assert [prediction["output"] for prediction in answer["predictions"]] == due
        assert (answer["model"], answer["version"], answer["device"]) == ("sums", "1", "fake")
        assert set(answer["timings_ms"]) == {"queue", "batch", "compute"}
        assert min(answer["timings_ms"].values()) >= 0


@on_a_loop
async def test_one_bad_sequence_of_several_refuses_the_request_and_runs_nothing():
    async with MemoryServer() as server:
        refusal = await server.post("/predict/sums", {"sequences": [[STEP], [[1, "x"]]]})
        assert refusal.status_code == 400
        assert server.backends["sums"].batches == []


@on_a_loop
async def test_one_sequence_that_fails_fails_the_request_that_sent_it():
    async with MemoryServer() as server:
        server.backends["sums"].fails_on = {5.0}
        neighbour = await server.hold()
        refused = server.post("/predict/sums", {"sequences": [[STEP], [[5, 0]], [STEP]]})
        server.backends["sums"].gate.set()
        assert (await refused).status_code == 500
        assert (await neighbour).status_code == 200


@on_a_loop
async def test_too_many_sequences_are_refused_by_their_number():
    async with MemoryServer(max_request_rows=3) as server:
        assert (await server.post("/predict/sums", {"sequences": [[STEP]] * 3})).status_code == 200
        refusal = await server.post("/predict/sums", {"sequences": [[STEP]] * 4})
        assert refusal.status_code == 413
        assert "sequences: 4 sequences, at most 3 are allowed" in refusal.json()["error"]


@on_a_loop
async def test_raw_outputs_come_on_request():
    async with MemoryServer() as server:
        body = {"sequence": [STEP, STEP], "include_outputs": True}
        answer = (await server.post("/predict/running", body)).json()
        assert answer["predictions"][0]["output"] == running_sum(np.array([STEP, STEP])).tolist()
