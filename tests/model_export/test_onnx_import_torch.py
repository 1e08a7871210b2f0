"""What PyTorch's TorchScript exporter writes is imported, and computes what PyTorch computes."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from onnx_import_reference import alone
from onnx_import_running import TOLERANCE, draw, start
from onnx_import_torch_ahead import AHEAD
from onnx_import_torch_causal import CAUSAL
from onnx_import_torch_export import export

from model_export.onnx_import import import_model
from service.domain.signature import Readout

CASES = CAUSAL | AHEAD


@pytest.fixture(scope="session", params=CASES)
def exported(request, tmp_path_factory):
    """A case, its module in double precision, and its import at work."""
    case = CASES[request.param]
    folder = tmp_path_factory.mktemp("torch")
    module = export(case, folder / "model.onnx")
    imported = import_model(folder / "model.onnx")
    return case, copy.deepcopy(module).double(), start(imported, folder)


def test_rows_of_unequal_length_in_one_batch_get_what_pytorch_gives_each_alone(exported):
    case, module, running = exported
    sequences = draw(running.imported)
    for answer, sequence in zip(running.together(sequences), sequences, strict=True):
        np.testing.assert_allclose(answer, alone(case, module, sequence), atol=TOLERANCE, rtol=0)


def test_a_causal_model_has_states_and_may_be_cut_into_chunks(exported):
    case, module, running = exported
    assert running.imported.causal is case.is_causal
    assert bool(running.imported.states) is case.is_causal
    assert running.imported.output.readout is (Readout.LAST if case.is_last else Readout.EVERY_STEP)
    if not case.is_causal:
        return
    (sequence,) = draw(running.imported, lengths=(11,))
    for size in (1, 4):
        answer = running.in_chunks(sequence, size)
        np.testing.assert_allclose(answer, alone(case, module, sequence), atol=TOLERANCE, rtol=0)
