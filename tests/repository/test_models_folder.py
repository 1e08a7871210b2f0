"""What a watcher sees: only what is whole, and no more than what is really gone."""

from __future__ import annotations

import shutil

import pytest
from changing_models import changing
from on_a_loop import on_a_loop

from service.repository.disk import steady
from service.repository.manifest import MANIFEST

OLD, NEW = frozenset({("manifest.json", 1, 1, 1)}), frozenset({("manifest.json", 2, 2, 2)})


@pytest.mark.parametrize("order", ["manifest first", "manifest last"])
@on_a_loop
async def test_a_folder_is_taken_only_when_all_of_it_is_there_and_has_stopped_changing(
    tmp_path, contents, order
):
    contents.put(tmp_path, "a")
    whole = contents.put(tmp_path / "elsewhere", "b", "2")
    async with changing(tmp_path) as server:
        growing = tmp_path / "gait" / "2"
        growing.mkdir()
        is_last = order == "manifest last"
        for file in sorted(whole.iterdir(), key=lambda file: (file.name == MANIFEST) == is_last):
            content = file.read_bytes()
            for part in (content[: len(content) // 2], content):
                (growing / file.name).write_bytes(part)
                await server.look()
                assert await server.index() == {"1": ("READY", "")}
        await server.look()
        assert await server.serving() == ("2", "b")
        assert server.metric("model_loads_total", model="gait", result="failure") is None


@on_a_loop
async def test_a_link_to_nowhere_beside_a_bundle_s_files_takes_nothing_out_of_service(tmp_path, contents):
    contents.put(tmp_path, "a")
    async with changing(tmp_path) as server:
        (tmp_path / "gait" / "1" / ".#manifest.json").symlink_to("somebody@somewhere.1234")
        await server.look(2)
        assert await server.serving() == ("1", "a")
        assert await server.index() == {"1": ("READY", "")}


@pytest.mark.parametrize("part", ["", MANIFEST])
@on_a_loop
async def test_a_version_whose_folder_or_manifest_is_gone_gives_way_to_the_one_before(
    tmp_path, contents, part
):
    contents.put(tmp_path, "a")
    contents.put(tmp_path, "b", "2")
    async with changing(tmp_path) as server:
        gone = tmp_path / "gait" / "2" / part
        gone.unlink() if part else shutil.rmtree(gone)
        await server.look()
        assert await server.serving() == ("2", "b")
        await server.look()
        assert await server.serving() == ("1", "a")
        await server.all_left()
        assert await server.index() == {"1": ("READY", "")}


@pytest.mark.parametrize("is_mount_point_left", [False, True])
@on_a_loop
async def test_a_models_dir_that_vanishes_unloads_nothing_and_is_told_once(
    tmp_path, contents, is_mount_point_left, capsys
):
    models_dir = tmp_path / "models"
    contents.put(models_dir, "a")
    async with changing(models_dir) as server:
        models_dir.rename(tmp_path / "away")
        if is_mount_point_left:
            models_dir.mkdir()
        await server.look(5)
        assert await server.serving() == ("1", "a")
        if is_mount_point_left:
            models_dir.rmdir()
        (tmp_path / "away").rename(models_dir)
        contents.put(models_dir, "b", "2")
        await server.look(2)
        assert await server.serving() == ("2", "b")
    said = capsys.readouterr().out
    assert said.count("models_dir is not there: nothing is unloaded") == 1
    assert said.count("models_dir is there again") == 1


@on_a_loop
async def test_only_models_that_are_wanted_or_asked_for_are_followed(tmp_path, contents):
    for name in ("gait", "walk"):
        contents.put(tmp_path, "a", name=name)
    async with changing(tmp_path) as server:
        contents.put(tmp_path, "b", "2", "walk")
        await server.look(2)
        assert (await server.ask("walk")).status_code == 404
        assert (await server.load("walk")).status_code == 200
        contents.put(tmp_path, "a", "3", "walk")
        await server.look(2)
        assert await server.serving("walk") == ("3", "a")


def test_a_folder_that_cannot_be_read_leaves_its_model_as_it_is(tmp_path, contents, monkeypatch):
    from service.repository import disk
    from service.repository.models_folder import ModelsFolder

    contents.put(tmp_path, "a")
    folder = ModelsFolder(tmp_path)
    seen = folder.first_look()["gait"]

    def refused(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(disk, "versions_in", refused)
    for _ in range(3):
        assert folder.look()
        assert folder.steady("gait", seen) == seen


@pytest.mark.parametrize(
    ("now", "before", "seen", "due"),
    [
        ({"1": NEW}, {}, {}, {}),
        ({"1": NEW}, {"1": NEW}, {}, {"1": NEW}),
        ({"1": NEW}, {"1": OLD}, {"1": OLD}, {"1": OLD}),
        ({}, {"1": OLD}, {"1": OLD}, {"1": OLD}),
        ({}, {}, {"1": OLD}, {}),
    ],
)
def test_what_two_looks_disagree_about_is_as_it_was(now, before, seen, due):
    assert steady(now, before, seen) == due
