"""The ONNX project's own test models of LSTM, GRU and RNN: all are imported, and give what they must."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.backend.test.case.node
import onnx.backend.test.case.node.gru
import onnx.backend.test.case.node.lstm
import onnx.backend.test.case.node.rnn
import pytest
from onnx_import_running import start

from model_export.onnx_import import import_model
from service.domain.batches import Batch

# Importing the three modules above is what fills this list.
MODELS = {case.name: case for case in onnx.backend.test.case.node._NodeTestCases}
WEIGHTS = {"W", "R", "B", "P"}


def test_all_of_them_are_here():
    assert len(MODELS) == 18
    assert {name.split("_")[1] for name in MODELS} == {"lstm", "gru", "rnn", "simple"}


@pytest.mark.parametrize("name", MODELS)
def test_the_projects_own_model_is_imported_and_gives_the_expected_outputs(name, tmp_path):
    case = MODELS[name]
    ((inputs, outputs),) = case.data_sets
    names = [entry.name for entry in case.model.graph.input]
    given = dict(zip(names, inputs, strict=True))
    expected = dict(zip([entry.name for entry in case.model.graph.output], outputs, strict=True))
    onnx.save(case.model, tmp_path / "model.onnx")
    weights = {name: array for name, array in given.items() if name in WEIGHTS}
    is_batch_first = "batchwise" in name
    sequence = given["X"].swapaxes(0, 1) if is_batch_first else given["X"]
    steps, rows = sequence.shape[:2]
    for answer, array in expected.items():
        imported = import_model(tmp_path / "model.onnx", constants=weights, output=answer)
        running = start(imported, tmp_path)
        batch = Batch(np.ascontiguousarray(sequence), np.full(rows, steps, np.int32), running.fresh(rows))
        found = running.backend.run(batch).output
        np.testing.assert_allclose(found, in_contract(answer, array, is_batch_first), atol=1e-6, rtol=0)


def in_contract(answer, array, is_batch_first):
    """Y has its batch behind the directions, Y_h too; batch-first ones have it in front already."""
    if answer == "Y":
        return array.transpose(1, 0, 2, 3) if is_batch_first else array.transpose(0, 2, 1, 3)
    return array if is_batch_first else array.transpose(1, 0, 2)
