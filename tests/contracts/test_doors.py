"""Both doors: the same numbers to the last bit, the same answer to whom they do not know."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from doors import DOORS, FINE
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_server import MemoryServer
from on_a_loop import on_a_loop


@given(
    st.lists(
        st.lists(st.floats(-(2.0**127), 2.0**127, width=32), min_size=1, max_size=9), min_size=1, max_size=4
    )
)
@settings(max_examples=30)
def test_both_doors_give_the_same_numbers_to_the_last_bit(columns):
    sequences = [[[value, 0.5] for value in column] for column in columns]

    async def scenario():
        async with MemoryServer() as server:
            for model in ("sums", "running"):
                predicted = await server.post(f"/predict/{model}", {"sequences": sequences})
                inferred = await server.post(f"/v2/models/{model}/infer", padded_request(sequences))
                if predicted.status_code == 200:
                    assert same_bits(outputs_of_predict(predicted), outputs_of_infer(inferred))
                # A sum may leave float32; then neither door answers.
                assert (predicted.status_code, inferred.status_code) in {(200, 200), (500, 500)}

    asyncio.run(scenario())


def padded_request(sequences) -> dict:
    longest = max(map(len, sequences))
    data = [sequence + [[9.0, 9.0]] * (longest - len(sequence)) for sequence in sequences]
    return {
        "inputs": [
            {"name": "sequence", "datatype": "FP32", "shape": [len(data), longest, 2], "data": data},
            {
                "name": "lengths",
                "datatype": "INT32",
                "shape": [len(data)],
                "data": [len(s) for s in sequences],
            },
        ]
    }


def outputs_of_predict(response) -> list[np.ndarray]:
    return [np.array(row["output"], np.float32) for row in response.json()["predictions"]]


def outputs_of_infer(response) -> list[np.ndarray]:
    tensors = {tensor["name"]: tensor for tensor in response.json()["outputs"]}
    output = np.array(tensors["output"]["data"], np.float32).reshape(tensors["output"]["shape"])
    if "lengths" not in tensors:
        return list(output)
    return [row[:steps] for row, steps in zip(output, tensors["lengths"]["data"], strict=True)]


def same_bits(some: list[np.ndarray], others: list[np.ndarray]) -> bool:
    return [array.tobytes() for array in some] == [array.tobytes() for array in others]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("nobody", 404, "model: there is no nobody, the models are: letters, running, sums"),
        ("sums/versions/2", 404, "version: sums has no version 2, it has 1"),
        ("sums/versions/01", 404, "version: sums has no version 01"),
        ("broken", 503, "model: broken/1 could not be loaded: its file is torn"),
    ],
)
@on_a_loop
async def test_an_unknown_model_or_version_is_refused_by_name(path, status, words, door):
    async with MemoryServer() as server:
        server.carousel.registry.add_failure("broken", "1", "its file is torn")
        refusal = await server.post(DOORS[door].format(path), FINE[door])
        assert refusal.status_code == status
        assert words in refusal.json()["error"]


@pytest.mark.parametrize("door", DOORS)
@on_a_loop
async def test_a_version_that_is_named_answers(door):
    async with MemoryServer() as server:
        assert (await server.post(DOORS[door].format("sums/versions/1"), FINE[door])).status_code == 200


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "body: not valid JSON"),
        (b"{", "body: not valid JSON"),
        (b'{"sequence": [[1, 2]],}', "body: not valid JSON"),
        (b"\xff\xfe", "body: not valid JSON"),
        (b'{"id": "\\ud800"}', "body: not valid JSON"),
        (b"[" * 5000 + b"]" * 5000, "body: not valid JSON"),
        (b"[]", "body: expected a JSON object"),
        (b"null", "body: expected a JSON object"),
        (b'{"sequense": [[1, 2]]}', "body: unknown field sequense, known are"),
        (b"{}", "expected"),
    ],
)
@on_a_loop
async def test_a_body_that_is_no_request_is_refused(body, words, door):
    async with MemoryServer() as server:
        refusal = await server.post(DOORS[door].format("sums"), body)
        assert refusal.status_code == 400
        assert words in refusal.json()["error"]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("content_type", "status"), [
    ("text/plain", 415),
    ("application/x-www-form-urlencoded", 415),
    ("application/octet-stream", 415),
    ("", 415),
    ("application/json", 200),
    ("APPLICATION/JSON; charset=utf-8", 200),
])  # fmt: skip
@on_a_loop
async def test_a_content_type_is_read_as_it_is_named(content_type, status, door):
    async with MemoryServer() as server:
        answer = await server.post(DOORS[door].format("sums"), FINE[door], **{"content-type": content_type})
        assert answer.status_code == status
        assert status == 200 or answer.json()["error"].startswith("content-type: got ")
