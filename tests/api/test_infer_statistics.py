"""Statistics are exact to the request; the index says what is in service."""

from __future__ import annotations

import numpy as np
import pytest
from binary_bodies import announced, ask, framed
from doors import FINE
from memory_server import MemoryServer
from on_a_loop import on_a_loop

# What perf_analyzer cannot do without.
REQUIRED = {"success", "fail", "queue", "compute_input", "compute_infer", "compute_output"}
UNUSED = {"cache_hit", "cache_miss"}


async def statistics(server: MemoryServer, model: str = "sums") -> dict:
    (told,) = (await server.client.get(f"/v2/models/{model}/stats")).json()["model_stats"]
    return told


@on_a_loop
async def test_a_model_that_was_never_asked_has_counted_nothing():
    async with MemoryServer() as server:
        told = await statistics(server)
        assert (told["name"], told["version"]) == ("sums", "1")
        assert (told["inference_count"], told["execution_count"], told["last_inference"]) == (0, 0, 0)
        assert told["batch_stats"] == []
        assert told["inference_stats"] == {name: {"count": 0, "ns": 0} for name in REQUIRED | UNUSED}


@on_a_loop
async def test_each_request_counts_once_and_each_of_its_rows():
    rows = np.ones((3, 2, 2), np.float32)
    async with MemoryServer() as server:
        for _ in range(2):
            await ask(server, *framed({"inputs": [announced("sequence", rows)]}, rows))
        await server.post("/predict/sums", FINE["predict"])
        told = await statistics(server)
        assert (told["inference_count"], told["execution_count"]) == (7, 3)
        assert {name: part["count"] for name, part in told["inference_stats"].items()} == dict.fromkeys(
            REQUIRED - {"fail"}, 3
        ) | dict.fromkeys({"fail", *UNUSED}, 0)
        assert [(batch["batch_size"], batch["compute_infer"]) for batch in told["batch_stats"]] == [
            (1, {"count": 1, "ns": 1_000_000}),
            (3, {"count": 2, "ns": 2_000_000}),
        ]
        assert told["last_inference"] > 1_700_000_000_000
        assert (await statistics(server, "running"))["inference_count"] == 0


@on_a_loop
async def test_what_fails_is_counted_as_failed_and_nowhere_else():
    async with MemoryServer() as server:
        server.backends["sums"].fails_on = {1.0}
        assert (await server.post("/predict/sums", FINE["predict"])).status_code == 500
        assert (await server.post("/predict/sums", {"sequence": [[1]]})).status_code == 400
        told = await statistics(server)
        assert told["inference_stats"]["fail"]["count"] == 2
        assert told["inference_stats"]["success"] == {"count": 0, "ns": 0}
        assert (told["inference_count"], told["execution_count"]) == (0, 0)


@pytest.mark.parametrize(
    ("body", "names"),
    [(b"", ["running", "sums", "sums"]), (b"{}", ["running", "sums", "sums"]),
     (b'{"ready": false}', ["running", "sums", "sums"]), (b'{"ready": true}', ["running", "sums"])],
)  # fmt: skip
@on_a_loop
async def test_the_index_can_be_of_ready_versions_only(body, names):
    async with MemoryServer() as server:
        del server.carousel.registry._versions["letters"]
        server.carousel.registry.add_failure("sums", "3", "its file is torn")
        index = (await server.post("/v2/repository/index", body)).json()
        assert [entry["name"] for entry in index] == names


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b'{"ready": 1}', 400, "ready: expected true or false"),
        (b'{"redy": true}', 400, "body: unknown field redy"),
        (b"[]", 400, "body: expected a JSON object"),
        (b"{", 400, "body: not valid JSON"),
        (b" " * 5000, 413, "body: 5000 bytes or more, at most 4096"),
    ],
)
@on_a_loop
async def test_an_index_that_is_not_asked_for_rightly_is_refused(body, status, words):
    async with MemoryServer() as server:
        refusal = await server.post("/v2/repository/index", body)
        assert refusal.status_code == status
        assert words in refusal.json()["error"]


@on_a_loop
async def test_a_draining_server_has_no_version_that_is_ready():
    async with MemoryServer() as server:
        server.carousel.drain()
        index = (await server.post("/v2/repository/index", b"")).json()
        assert {entry["state"] for entry in index} == {"UNAVAILABLE"}
        assert (await server.post("/v2/repository/index", b'{"ready": true}')).json() == []
