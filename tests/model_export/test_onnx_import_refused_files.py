"""Files that cannot be read, or reach out of their folder, are refused by name."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_import_graphs import OF_X, refusal, write


def test_a_file_that_is_no_model_is_refused_by_name(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"not a model")
    assert refusal(tmp_path / "model.onnx").node == "model.onnx"
    assert "cannot be read" in refusal(tmp_path / "missing.onnx").reason


def test_an_operator_set_older_than_the_recurrent_operators_is_refused(tmp_path):
    refused = refusal(write(tmp_path / "model.onnx", OF_X, opset=6))
    assert (refused.node, refused.reason) == ("model.onnx", "uses operator set 6; 7 is the oldest supported")


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("../weights.bin", "its data lies outside the model's folder: '../weights.bin'"),
        ("/etc/hostname", "its data lies outside the model's folder: '/etc/hostname'"),
        ("weights.bin", "its data file 'weights.bin' is missing beside model.onnx"),
        ("link.bin", "its data lies outside the model's folder: 'link.bin'"),
    ],
)
def test_weights_are_read_from_the_models_own_folder_only(place, reason, tmp_path):
    folder = tmp_path / "inside"
    folder.mkdir()
    (tmp_path / "weights.bin").write_bytes(b"\0" * 1000)
    (folder / "link.bin").symlink_to(tmp_path / "weights.bin")
    path = write(folder / "model.onnx", OF_X)
    model = onnx.load(path)
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=place)
    path.write_bytes(model.SerializeToString())
    refused = refusal(path)
    assert (refused.node, refused.reason) == (tensor.name, reason)


def test_sparse_weights_are_refused(tmp_path):
    path = write(tmp_path / "model.onnx", OF_X)
    model = onnx.load(path)
    values = numpy_helper.from_array(np.ones(1, np.float32), "sparse")
    model.graph.sparse_initializer.append(
        helper.make_sparse_tensor(values, numpy_helper.from_array(np.array([0])), [4])
    )
    onnx.save(model, path)
    assert refusal(path).node == "sparse"


def test_a_graph_that_reads_what_nothing_computes_is_refused(tmp_path):
    nodes = f"{OF_X} [lost] y1 = Add (y, nowhere)"
    refused = refusal(write(tmp_path / "model.onnx", nodes, outputs="float[] y1"))
    assert refused.node == "lost"
    assert "reads 'nowhere', which nothing before it computes" in refused.reason


def with_data_file(path, size, **described):
    """The model with the data of one tensor in a file of its own."""
    model = onnx.load(write(path, OF_X))
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": "weights.bin", **described}.items():
        tensor.external_data.add(key=key, value=str(value))
    path.write_bytes(model.SerializeToString())
    with (path.parent / "weights.bin").open("wb") as file:
        file.truncate(size)
    return tensor.name


def test_a_model_too_large_for_one_file_is_refused_before_it_is_read(tmp_path):
    with_data_file(tmp_path / "model.onnx", 1 << 31)
    refused = refusal(tmp_path / "model.onnx")
    assert (refused.node, refused.reason[:23]) == ("model.onnx", "holds more than 2 GiB, ")


def test_weights_shorter_than_their_shape_are_refused(tmp_path):
    name = with_data_file(tmp_path / "model.onnx", 4)
    refused = refusal(tmp_path / "model.onnx")
    assert (refused.node, refused.reason[:31]) == (name, "its data does not fit its shape")


def test_weights_that_begin_beyond_their_file_are_refused(tmp_path):
    with_data_file(tmp_path / "model.onnx", 4, offset=100, length=192)
    refused = refusal(tmp_path / "model.onnx")
    assert (refused.node, refused.reason[:26]) == ("model.onnx", "its weights cannot be read")
