"""Loading: a bundle that is broken in whatever way is not served and says why; the others are."""

from __future__ import annotations

import asyncio
import json
import shutil

import numpy as np
import pytest
from on_a_loop import on_a_loop
from serving import serving
from spoilt_bundles import FAULTS, onnx_is_torn, seal

from service.errors import InvalidBundle
from service.repository.golden import read_golden
from service.repository.manifest import GOLDEN, MANIFEST, ONNX


@on_a_loop
async def test_every_broken_bundle_answers_with_its_reason_and_the_others_are_served(models_dir):
    for spoil in FAULTS:
        folder = shutil.copytree(models_dir / "gait" / "1", models_dir / spoil.__name__ / "1")
        spoil(folder)
        seal(folder, name=spoil.__name__)
    async with serving(models_dir) as client:
        for name in ("gait", "letters"):
            assert (await client.get(f"/v2/models/{name}")).status_code == 200
        answer = await client.post("/predict/gait", json={"sequence": [[1, 2], [3, 4]]})
        assert answer.json()["predictions"][0]["label"] in {"rest", "walk", "run"}
        page = (await client.get("/")).text
        for spoil, reason in FAULTS.items():
            refusal = await client.post(f"/predict/{spoil.__name__}", json={"sequence": [[1, 2]]})
            assert refusal.status_code == 503, spoil.__name__
            assert reason in refusal.json()["error"], spoil.__name__
            assert f"{spoil.__name__}/1</strong> is not served" in page


@on_a_loop
async def test_a_newer_version_that_is_broken_leaves_the_older_in_service(models_dir):
    folder = shutil.copytree(models_dir / "gait" / "1", models_dir / "gait" / "2")
    onnx_is_torn(folder)
    seal(folder, version="2")
    async with serving(models_dir) as client:
        answer = await client.post("/predict/gait", json={"sequence": [[1, 2]]})
        assert (answer.status_code, answer.json()["version"]) == (200, "1")
        refusal = await client.post("/predict/gait/versions/2", json={"sequence": [[1, 2]]})
        assert refusal.status_code == 503
        assert "gait/2 could not be loaded" in refusal.json()["error"]


@on_a_loop
async def test_the_latest_version_answers_unless_another_is_named(models_dir):
    for version in ("2", "10"):
        folder = shutil.copytree(models_dir / "gait" / "1", models_dir / "gait" / version)
        seal(folder, version=version)
    async with serving(models_dir, version_policy="all") as client:
        for path, version in (("gait", "10"), ("gait/versions/2", "2")):
            answer = await client.post(f"/predict/{path}", json={"sequence": [[1, 2]]})
            assert answer.json()["version"] == version
        assert (await client.get("/v2/models/gait")).json()["versions"] == ["1", "2", "10"]


@on_a_loop
async def test_only_models_that_are_asked_for_are_loaded(models_dir):
    async with serving(models_dir, models=frozenset({"gait"})) as client:
        assert (await client.get("/v2/models/gait")).status_code == 200
        refusal = await client.get("/v2/models/letters")
        assert refusal.status_code == 404
        assert refusal.json()["error"] == "model: there is no letters, the models are: gait"


@on_a_loop
async def test_a_server_without_a_single_good_bundle_does_not_start(models_dir):
    shutil.rmtree(models_dir / "letters")
    (models_dir / "gait" / "1" / ONNX).unlink()
    with pytest.raises(InvalidBundle, match="holds no bundle that can be served"):
        async with serving(models_dir):
            pass


@on_a_loop
async def test_the_golden_sequences_have_the_golden_answers_at_both_doors(published):
    async with serving(published) as client:
        for name in ("gait", "letters"):
            golden = read_golden(published / name / "1")
            body = {"sequences": [s.tolist() for s in golden.sequences], "include_outputs": True}
            answers = (await client.post(f"/predict/{name}", json=body)).json()["predictions"]
            for answer, due in zip(answers, golden.outputs, strict=True):
                np.testing.assert_allclose(answer["output"], due, atol=1e-5)


def test_a_bundle_without_golden_vectors_is_served(models_dir):
    folder = models_dir / "gait" / "1"
    (folder / GOLDEN).unlink()
    files = json.loads((folder / MANIFEST).read_text())["files"]
    seal_without = {name: digest for name, digest in files.items() if name != GOLDEN}
    content = json.loads((folder / MANIFEST).read_text()) | {"files": seal_without}
    (folder / MANIFEST).write_text(json.dumps(content))

    async def scenario():
        async with serving(models_dir) as client:
            assert (await client.post("/predict/gait", json={"sequence": [[1, 2]]})).status_code == 200

    asyncio.run(scenario())
