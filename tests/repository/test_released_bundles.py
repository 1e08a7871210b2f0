"""The bundles in models/: each is served, proven on this machine, and answers its own example."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from on_a_loop import on_a_loop
from serving import serving

from service.repository.golden import read_golden
from service.repository.scanner import bundle_folders, read_bundle

MODELS = Path(__file__).parents[2] / "models"
FOLDERS = list(bundle_folders(MODELS))


@pytest.mark.skipif(not FOLDERS, reason="models/ holds no bundle")
@on_a_loop
async def test_every_released_bundle_answers_its_golden_sequences_and_its_example():
    async with serving(MODELS) as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
        for folder in FOLDERS:
            name = folder.parent.name
            golden, tolerance = read_golden(folder), read_bundle(folder).manifest.tolerance.reference
            assert golden.sequences, name
            body = {
                "sequences": [sequence.tolist() for sequence in golden.sequences],
                "include_outputs": True,
            }
            answer = await client.post(f"/predict/{name}/versions/{folder.name}", json=body)
            assert answer.status_code == 200, (name, answer.text)
            for prediction, due in zip(answer.json()["predictions"], golden.outputs, strict=True):
                np.testing.assert_allclose(
                    prediction["output"], due, rtol=0, atol=2 * tolerance, err_msg=name
                )
        for path in ("/predict/{model}", "/v2/models/{model}/infer"):
            for name, body in examples_of(paths, path).items():
                answer = await client.post(path.format(model=name), json=body)
                assert answer.status_code == 200, (name, answer.text)


@pytest.mark.skipif(not FOLDERS, reason="models/ holds no bundle")
@on_a_loop
async def test_the_examples_of_streams_run_in_their_order():
    route = "/v2/models/{model}"
    async with serving(MODELS) as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
        due = {"moby": ("generate", "generate_stream"), "traffic": ("forecast", "forecast_stream")}
        for name, operations in due.items():
            for operation in operations:
                body = examples_of(paths, f"{route}/{operation}")[name]
                answer = await client.post(f"/v2/models/{name}/{operation}", json=body)
                assert answer.status_code == 200, (operation, answer.text)
        steps = examples_of(paths, f"{route}/sessions/{{session}}/steps")
        assert {"moby", "traffic", "digits"} <= steps.keys()
        for name, body in steps.items():
            for opening in examples_of(paths, f"{route}/sessions").values():
                assert (await client.post(f"/v2/models/{name}/sessions", json=opening)).status_code == 201
            answer = await client.post(f"/v2/models/{name}/sessions/talk/steps", json=body)
            assert (answer.status_code, answer.json().get("step")) == (200, 1)


def examples_of(paths, path):
    content = paths[path]["post"]["requestBody"]["content"]["application/json"]
    return {name: example["value"] for name, example in content["examples"].items()}
