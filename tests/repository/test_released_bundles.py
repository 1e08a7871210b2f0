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
            content = paths[path]["post"]["requestBody"]["content"]["application/json"]
            for name, example in content["examples"].items():
                answer = await client.post(path.format(model=name), json=example["value"])
                assert answer.status_code == 200, (name, answer.text)
