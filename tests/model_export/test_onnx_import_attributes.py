"""Recurrent nodes as the operator allows them: directions, gates, activations, layouts, operator sets."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_import_graphs import HIDDEN, OF_X, weights, write
from onnx_import_running import TOLERANCE, check_against_the_original_alone, draw, start

from model_export.onnx_import import import_model

LSTM, GRU, RNN = 4, 3, 1
NODES = {
    "peepholes": ("y, h, c = LSTM <hidden_size=3> (x, W, R, B, , , , P)", LSTM, 1),
    "peepholes both ways": (
        'y, h, c = LSTM <hidden_size=3, direction="bidirectional"> (x, W, R, B, , , , P)',
        LSTM,
        2,
    ),
    "no bias": ("y, h, c = LSTM <hidden_size=3> (x, W, R)", LSTM, 1),
    "reverse lstm": ('y, h, c = LSTM <hidden_size=3, direction="reverse"> (x, W, R, B)', LSTM, 1),
    "reverse gru": ('y, h = GRU <hidden_size=3, direction="reverse"> (x, W, R, B)', GRU, 1),
    "reverse rnn": ('y, h = RNN <hidden_size=3, direction="reverse"> (x, W, R, B)', RNN, 1),
    "coupled gates": ("y, h, c = LSTM <hidden_size=3, input_forget=1> (x, W, R, B)", LSTM, 1),
    "clipped": ("y, h, c = LSTM <hidden_size=3, clip=0.3> (x, W, R, B)", LSTM, 1),
    "other activations": (
        """y, h, c = LSTM <hidden_size=3, activations=["HardSigmoid", "Softsign", "ScaledTanh"],
        activation_alpha=[0.25, 1.7], activation_beta=[0.4, 0.6]> (x, W, R, B)""",
        LSTM,
        1,
    ),
    "softplus": (
        'y, h, c = LSTM <hidden_size=3, activations=["Sigmoid", "Softplus", "Tanh"]> (x, W, R, B)',
        LSTM,
        1,
    ),
    "another activation for each direction": (
        """y, h, c = LSTM <hidden_size=3, direction="bidirectional",
        activations=["Sigmoid", "Tanh", "Tanh", "HardSigmoid", "Relu", "Tanh"]> (x, W, R, B)""",
        LSTM,
        2,
    ),
    "gru that resets after": ("y, h = GRU <hidden_size=3, linear_before_reset=1> (x, W, R, B)", GRU, 1),
    "gru that resets before": ("y, h = GRU <hidden_size=3, linear_before_reset=0> (x, W, R, B)", GRU, 1),
    "gru both ways": ('y, h = GRU <hidden_size=3, direction="bidirectional"> (x, W, R, B)', GRU, 2),
    "rnn with relu": ('y, h = RNN <hidden_size=3, activations=["Relu"]> (x, W, R, B)', RNN, 1),
}


@pytest.mark.parametrize("name", NODES)
def test_every_attribute_that_onnx_runtime_runs_is_kept(name, tmp_path):
    node, gates, directions = NODES[name]
    path = write(tmp_path / "model.onnx", node, weights(gates, directions))
    imported = import_model(path)
    check_against_the_original_alone(path, imported, tmp_path)
    assert imported.output.shape == (directions, HIDDEN)
    assert imported.causal is ("direction" not in node)


@pytest.mark.parametrize(
    ("attribute", "remark"),
    [
        ("clip=0.3", "lstm: clip bounds only the gates in ONNX Runtime, and the cell too in TensorRT"),
        ("input_forget=1", "lstm: TensorRT refuses input_forget"),
        (
            'activations=["Sigmoid", "Softplus", "Tanh"]',
            "lstm: TensorRT takes the activation Softplus for the constant 0",
        ),
    ],
)
def test_what_tensorrt_computes_differently_is_noted(attribute, remark, tmp_path):
    node = f"[lstm] y, h, c = LSTM <hidden_size=3, {attribute}> (x, W, R, B)"
    assert remark in import_model(write(tmp_path / "model.onnx", node)).notes


@pytest.mark.parametrize("opset", [7, 14, 17, 22, 24])
def test_operator_sets_old_and_new_are_read(opset, tmp_path):
    path = write(tmp_path / "model.onnx", OF_X, opset=opset)
    check_against_the_original_alone(path, import_model(path), tmp_path)


@pytest.mark.parametrize(("operator", "gates"), [("LSTM", 4), ("GRU", 3), ("RNN", 1)])
@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
def test_layout_1_becomes_layout_0(operator, gates, direction, tmp_path):
    directions = 2 if direction == "bidirectional" else 1
    given = weights(gates, directions)
    states = "float[batch, dirs, 3] h0" + (", float[batch, dirs, 3] c0" if operator == "LSTM" else "")
    starts = "h0, c0" if operator == "LSTM" else "h0"
    node = f'{operator} <hidden_size=3, direction="{direction}", layout=1> (x, W, R, B, , {starts})'
    batch_first = write(
        tmp_path / "layout_1.onnx",
        f"y, h = {node}",
        given,
        inputs=f"float[batch, time, 4] x, {states.replace('dirs', str(directions))}",
        outputs="float[batch, time, directions, 3] y, float[batch, directions, 3] h",
    )
    twin = write(
        tmp_path / "layout_0.onnx",
        f'y, h = {operator} <hidden_size=3, direction="{direction}"> (x, W, R, B)',
        given,
    )
    for answer in ("y", "h"):
        imported = import_model(batch_first, output=answer)
        assert any("layout 1" in note for note in imported.notes)
        check_against_the_original_alone(batch_first, imported, tmp_path)
    running = start(import_model(batch_first, output="y"), tmp_path)
    expected = start(import_model(twin), tmp_path)
    sequences = draw(running.imported)
    for answer, other in zip(running.together(sequences), expected.together(sequences), strict=True):
        np.testing.assert_allclose(answer, other, atol=TOLERANCE, rtol=0)
