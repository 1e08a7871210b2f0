"""Nothing inexact gets out: what differs from the original or breaks the contract is refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx_import_graphs import OF_X, write

from model_export.onnx_import import ImportRefused, import_model, verify
from model_export.onnx_import.original_run import OriginalRun


def test_an_original_that_does_not_run_or_gives_other_axes_is_refused(tmp_path):
    path = write(tmp_path / "model.onnx", OF_X)
    origin = import_model(path).origin
    with pytest.raises(ImportRefused, match="the original does not run on 2 rows of 3 steps"):
        OriginalRun(path, origin).answer(np.zeros((3, 2, 5), np.float32))
    wrong = dataclasses.replace(origin, output_axes=origin.output_axes[1:])
    with pytest.raises(ImportRefused, match=r"the original's output has shape \[3, 1, 2, 3\]"):
        OriginalRun(path, wrong).answer(np.zeros((3, 2, 4), np.float32))


def changed(imported, change):
    """The import with one change made to its graph."""
    model = onnx.ModelProto()
    model.CopyFrom(imported.model)
    change(model.graph)
    return dataclasses.replace(imported, model=model)


def other_weights(graph):
    tensor = max(graph.initializer, key=lambda tensor: np.prod(tensor.dims))
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * 1.01, tensor.name))


def without_lengths(graph):
    node = next(node for node in graph.node if node.op_type == "LSTM")
    node.input[4] = ""


def without_memory(graph):
    node = next(node for node in graph.node if node.op_type == "LSTM")
    node.input[5] = ""


def other_axes(graph):
    node = next(node for node in graph.node if "output" in node.output)
    node.input[0] = "sequence"


def failing(graph):
    node = next(node for node in graph.node if node.op_type == "LSTM")
    node.input[4] = "too_long"
    graph.initializer.append(numpy_helper.from_array(np.full(3, 99, np.int32), "too_long"))


def unloadable(graph):
    graph.node[0].op_type = "Nonsense"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (other_weights, "the imported model differs from the original by"),
        (without_lengths, "a row in a padded batch differs from that row alone by"),
        (without_memory, "a sequence cut into chunks differs from the whole by"),
        (unloadable, "the imported model cannot be run"),
        (other_axes, "the imported model differs from the original by inf"),
        (failing, "cannot be run: ONNX Runtime"),
    ],
)
def test_verify_refuses_an_import_that_is_not_exact(change, reason, tmp_path):
    path = write(tmp_path / "model.onnx", OF_X)
    imported = import_model(path)
    assert 0 <= verify(path, imported) < 1e-5
    with pytest.raises(ImportRefused) as refused:
        verify(path, changed(imported, change))
    assert refused.value.node in ("model.onnx", "imported model")
    assert reason in refused.value.reason
