"""Models change while they serve: nothing is lost, and what is no good changes nothing."""

from __future__ import annotations

import asyncio

import pytest
from changing_models import changing, content_of
from on_a_loop import on_a_loop
from spoilt_bundles import golden_is_off, onnx_is_torn, seal

from service.repository.manifest import MANIFEST, ONNX


@on_a_loop
async def test_a_newer_version_takes_over_and_the_older_leaves_with_its_series(tmp_path, contents):
    contents.put(tmp_path, "a")
    async with changing(tmp_path) as server:
        assert await server.serving() == ("1", "a")
        contents.put(tmp_path, "b", "2")
        await server.look(2)
        assert await server.serving() == ("2", "b")
        await server.all_left()
        assert (await server.ask("gait/versions/1")).status_code == 404
        assert await server.index() == {"2": ("READY", "")}
        assert 'version="1"' not in (await server.client.get("/metrics")).text
        assert server.metric("model_loads_total", model="gait", result="success") == 2
        assert server.metric("model_load_seconds", model="gait", version="2") > 0


@on_a_loop
async def test_a_changed_bundle_of_the_same_version_is_loaded_and_counts_on(tmp_path, contents):
    contents.put(tmp_path, "a")
    async with changing(tmp_path) as server:
        await server.ask()
        contents.put(tmp_path, "b")
        await server.look(2)
        assert await server.serving() == ("1", "b")
        await server.all_left()
        assert server.metric("request_seconds_count", model="gait", version="1") == 2
        assert server.metric("sequences_total", model="gait", version="1", device="cpu") == 2
        assert server.metric("waiting_sequences", model="gait", version="1") == 0


@on_a_loop
async def test_twenty_reloads_under_load_lose_nothing_and_every_answer_is_its_version_s(tmp_path, contents):
    contents.put(tmp_path, "a", "1")
    async with changing(tmp_path, version_policy="latest:2") as server:
        is_over = asyncio.Event()
        answered = 0

        async def keep_asking() -> None:
            nonlocal answered
            while not is_over.is_set():
                answer = await server.ask()
                assert answer.status_code == 200, answer.text
                told = answer.json()
                assert content_of(told) == "ab"[int(told["version"]) % 2 - 1]
                answered += 1

        callers = [asyncio.create_task(keep_asking()) for _ in range(4)]
        for version in range(2, 22):
            contents.put(tmp_path, "ab"[version % 2 - 1], str(version))
            assert (await server.load()).status_code == 200
            assert (await server.serving())[0] == str(version)
        is_over.set()
        await asyncio.gather(*callers)
        assert answered > 20
        await server.all_left()
        assert await server.index() == {"20": ("READY", ""), "21": ("READY", "")}


def unreadable_manifest(folder):
    (folder / MANIFEST).write_text("{")


def wrong_checksum(folder):
    (folder / ONNX).write_bytes(b"another model")


def torn_onnx(folder):
    onnx_is_torn(folder)
    seal(folder)


def golden_off(folder):
    golden_is_off(folder)
    seal(folder)


FAULTS = {
    unreadable_manifest: "Invalid JSON",
    wrong_checksum: "its SHA-256 is",
    torn_onnx: "is not a whole protobuf message",
    golden_off: "golden vector 0 on cpu is off",
}


@pytest.mark.parametrize("spoil", FAULTS)
@pytest.mark.parametrize("version", ["1", "2"])
@on_a_loop
async def test_a_bundle_that_is_no_good_leaves_the_old_one_serving_and_says_why(
    tmp_path, contents, spoil, version
):
    contents.put(tmp_path, "a")
    async with changing(tmp_path) as server:
        spoil(contents.put(tmp_path, "b", version))
        await server.look(2)
        assert await server.serving() == ("1", "a")
        state, reason = (await server.index())[version]
        assert state == ("READY" if version == "1" else "UNAVAILABLE")
        assert FAULTS[spoil] in reason
        refusal = await server.load()
        assert refusal.status_code == 400
        assert FAULTS[spoil] in refusal.json()["error"]
        assert refusal.json()["error"].endswith("versions that serve: 1")
        assert server.metric("model_loads_total", model="gait", result="failure") == 2
        contents.put(tmp_path, "b", version)
        await server.look(2)
        assert await server.serving() == (version, "b")
        assert (await server.index())[version] == ("READY", "")


@on_a_loop
async def test_a_bundle_that_failed_is_not_tried_again_before_it_changes(tmp_path, contents):
    contents.put(tmp_path, "a")
    wrong_checksum(contents.put(tmp_path, "b", "2"))
    async with changing(tmp_path) as server:
        contents.put(tmp_path, "a", "3")
        await server.look(4)
        assert await server.serving() == ("3", "a")
        assert server.metric("model_loads_total", model="gait", result="failure") == 1
