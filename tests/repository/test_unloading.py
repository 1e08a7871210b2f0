"""What serves by policy, what was taken away by name, and what is not there at all."""

from __future__ import annotations

import asyncio
import json
import shutil

import pytest
from changing_models import changing
from memory_server import MemoryServer
from on_a_loop import on_a_loop

from service.errors import InvalidBundle
from service.repository.manifest import ONNX


@on_a_loop
async def test_where_the_newest_is_no_good_from_the_start_the_one_before_stands_in(tmp_path, contents):
    for version in ("1", "2", "3"):
        folder = contents.put(tmp_path, "a", version)
    (folder / ONNX).write_bytes(b"another model")
    async with changing(tmp_path) as server:
        assert await server.serving() == ("2", "a")
        assert [state for state, _ in (await server.index()).values()] == ["READY", "UNAVAILABLE"]


@on_a_loop
async def test_versions_are_served_by_the_policy_of_their_model_and_what_is_listed_in_vain_is_told(
    tmp_path, contents
):
    for version in ("1", "2", "3"):
        contents.put(tmp_path, "a", version)
        contents.put(tmp_path, "b", version, "walk")
    policy = json.dumps({"gait": "1,3,7", "*": "latest:2"})
    async with changing(tmp_path, models=None, version_policy=policy) as server:
        assert (await server.client.get("/v2/models/gait")).json()["versions"] == ["1", "3"]
        assert (await server.client.get("/v2/models/walk")).json()["versions"] == ["2", "3"]
        assert (await server.index())["7"] == (
            "UNAVAILABLE",
            "version_policy lists it, and it is not on disk",
        )
        assert (await server.client.get("/v2/models/walk/config")).json()["version_policy"] == {
            "latest": {"num_versions": 2}
        }


@on_a_loop
async def test_an_unloaded_model_answers_what_it_accepted_and_is_then_unavailable(tmp_path):
    async with MemoryServer(models_dir=tmp_path) as server:
        held = await server.hold()
        assert (await server.post("/v2/repository/models/sums/unload", b"")).status_code == 200
        index = (await server.post("/v2/repository/index", b"")).json()
        assert index[-1] == {"name": "sums", "version": "1", "state": "UNLOADING", "reason": ""}
        draining = await server.post("/predict/sums", {"sequence": [[1, 2]]})
        assert (draining.status_code, draining.json()["error"]) == (503, "model: sums/1 is unloading")
        server.backends["sums"].gate.set()
        assert (await held).status_code == 200
        await server.carousel.lifecycle._replacement.departures.close()
        assert server.backends["sums"].is_closed
        index = (await server.post("/v2/repository/index", b"")).json()
        assert index[-1] == {"name": "sums", "version": "1", "state": "UNAVAILABLE", "reason": "unloaded"}
        for path, status in (("sums", 404), ("sums/versions/1", 503), ("sums/versions/2", 404)):
            refusal = await server.post(f"/predict/{path}", {"sequence": [[1, 2]]})
            assert refusal.status_code == status
            assert refusal.json()["error"] == "model: sums/1 is unloaded, load it first"


@on_a_loop
async def test_an_unloaded_model_stays_away_until_its_files_change_or_it_is_loaded(tmp_path, contents):
    contents.put(tmp_path, "a")
    async with changing(tmp_path) as server:
        for _ in range(2):
            assert (await server.unload()).status_code == 200
        await server.look(3)
        assert (await server.ask()).status_code == 404
        assert (await server.load()).status_code == 200
        assert await server.serving() == ("1", "a")
        await server.unload()
        contents.put(tmp_path, "b")
        await server.look(2)
        assert await server.serving() == ("1", "b")


@on_a_loop
async def test_two_loads_at_once_of_one_model_are_one(tmp_path, contents):
    contents.put(tmp_path, "a")
    async with changing(tmp_path) as server:
        contents.put(tmp_path, "b", "2")
        answers = await asyncio.gather(*(server.load() for _ in range(4)))
        assert [answer.status_code for answer in answers] == [200] * 4
        assert await server.serving() == ("2", "b")
        assert server.metric("model_loads_total", model="gait", result="success") == 2


@on_a_loop
async def test_what_is_gone_from_the_disk_when_it_is_loaded_is_not_found(tmp_path, contents):
    contents.put(tmp_path, "a")
    async with changing(tmp_path) as server:
        shutil.rmtree(tmp_path / "gait")
        refusal = await server.load()
        assert (refusal.status_code, refusal.json()["error"]) == (
            404,
            "model: there is no gait in models_dir",
        )
        assert await server.serving() == ("1", "a")
        await server.look(2)
        await server.all_left()
        assert (await server.ask()).json()["error"] == "model: there is no gait, the models are: none"
        assert server.metric("model_loads_total", model="gait", result="success") is None


@on_a_loop
async def test_without_a_model_only_a_server_that_watches_starts(tmp_path, contents):
    with pytest.raises(InvalidBundle, match=r"models: .* has no gait"):
        async with changing(tmp_path):
            pass
    with pytest.raises(InvalidBundle, match="holds no bundle that can be served"):
        async with changing(tmp_path, models=None):
            pass
    async with changing(tmp_path, watch_s=0.01) as server:
        assert (await server.client.get("/v2/health/ready")).status_code == 200
        contents.put(tmp_path, "a")
        while (await server.ask()).status_code != 200:
            await asyncio.to_thread(int)
        assert await server.serving() == ("1", "a")
