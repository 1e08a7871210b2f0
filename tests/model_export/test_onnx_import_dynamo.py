"""What PyTorch's default exporter writes is imported, and computes what PyTorch computes."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import onnx_import_dynamo_exports as exports
import pytest
import torch
from drawn import is_thorough
from onnx_import_running import TOLERANCE, draw, start

from model_export.onnx_import import import_model


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """The export that is kept, or a new one where another version or this profile would make it."""
    if exports.is_kept() and not is_thorough():
        return exports.KEPT
    path = tmp_path_factory.mktemp("dynamo") / "model.onnx"
    subprocess.run([sys.executable, exports.__file__, str(path)], check=True, capture_output=True)
    return path


def alone(place: int, sequence):
    """One answer to one sequence, in double precision."""
    row = torch.from_numpy(sequence).double()[None]
    state = torch.zeros(exports.LAYERS, 1, exports.HIDDEN, dtype=torch.float64)
    with torch.no_grad():
        answer = exports.module().double()(row, state, state)[place].numpy()
    return answer[:, 0] if exports.ANSWERS[place] == "time_major" else answer[0]


@pytest.mark.parametrize("place", range(len(exports.ANSWERS)), ids=exports.ANSWERS)
def test_the_default_export_computes_what_pytorch_computes(exported, tmp_path, place):
    imported = import_model(exported, output=exports.ANSWERS[place])
    running = start(imported, tmp_path)
    sequences = draw(imported)
    for answer, sequence in zip(running.together(sequences), sequences, strict=True):
        np.testing.assert_allclose(answer, alone(place, sequence), atol=TOLERANCE, rtol=0)
    assert imported.causal is (exports.ANSWERS[place] != "both_ways")
    if imported.causal:
        answer = running.in_chunks(sequences[0], 4)
        np.testing.assert_allclose(answer, alone(place, sequences[0]), atol=TOLERANCE, rtol=0)


def test_a_length_that_the_exporter_froze_is_open_again(exported):
    imported = import_model(exported, output="time_major")
    assert "the original takes exactly 2 steps, and the imported model any number" in imported.notes
