"""What a recurrent node starts from, how long its rows are, and where its weights come from."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx_import_graphs import OF_X, weights, write
from onnx_import_running import check_against_the_original_alone

from model_export.onnx_import import import_model

ZEROS = """
    [shape] shape = Shape (x)
    [rows] rows = Gather (shape, one)
    [sizes] sizes = Concat <axis=0> (layers, rows, hidden)
    [zeros] zeros = ConstantOfShape (sizes)
"""
SIZES = {
    name: np.array([value])
    for name, value in {"zero": 0, "one": 1, "two": 2, "layers": 2, "hidden": 3}.items()
}


def test_initial_states_cut_from_a_tensor_of_zeros_are_states(tmp_path):
    nodes = f"""{ZEROS}
        [first] h0 = Slice (zeros, zero, one, zero)
        [both] c0, c1 = Split <axis=0> (zeros)
        [lstm] y, h, c = LSTM <hidden_size=3> (x, W, R, B, , h0, c1)
    """
    path = write(tmp_path / "model.onnx", nodes, weights() | SIZES)
    imported = import_model(path)
    check_against_the_original_alone(path, imported, tmp_path)
    assert [state.input for state in imported.states] == ["h_in", "c_in"]


def test_one_state_input_for_all_layers_is_split_into_states(tmp_path):
    nodes = """
        [cut] h0, h1 = Split <axis=0> (hx)
        [lower] y0, hy0 = GRU <hidden_size=3> (x, W, R, B, , h0)
        [squeezed] x1 = Squeeze (y0, one)
        [upper] y, hy1 = GRU <hidden_size=3> (x1, W1, R, B, , h1)
        [joined] hy = Concat <axis=0> (hy0, hy1)
    """
    constants = weights(3) | {"W1": weights(3, features=3)["W"]} | SIZES
    path = write(
        tmp_path / "model.onnx",
        nodes,
        constants,
        inputs="float[time, batch, 4] x, float[layers, rows, 3] hx",
        outputs="float[time, one, batch, 3] y, float[layers, batch, 3] hy",
    )
    imported = import_model(path)
    check_against_the_original_alone(path, imported, tmp_path)
    assert [state.input for state in imported.states] == ["h0_in", "h1_in"]
    assert imported.origin.output == "y"


def test_a_start_that_is_not_zero_is_what_zeros_in_the_state_mean(tmp_path):
    start_at = {"h0": np.full((1, 1, 3), 0.5, np.float32), "c0": np.array([[[0.2, -1.0, 0.7]]], np.float32)}
    nodes = f"""{ZEROS.replace("layers", "one")}
        h1 = Expand (h0, sizes)
        c1 = Add (zeros, c0)
        [lstm] y, h, c = LSTM <hidden_size=3> (x, W, R, B, , h1, c1)
    """
    path = write(tmp_path / "model.onnx", nodes, weights() | SIZES | start_at)
    imported = import_model(path)
    check_against_the_original_alone(path, imported, tmp_path)
    assert "lstm: starts from a constant; zeros in its state mean that constant" in imported.notes


@pytest.mark.parametrize("kind", ["int32", "int64"])
def test_a_lengths_input_becomes_the_contracts(kind, tmp_path):
    nodes = """
        n32 = Cast <to=6> (n)
        [lstm] y, h, c = LSTM <hidden_size=3> (x, W, R, B, n32)
    """
    path = write(tmp_path / "model.onnx", nodes, inputs=f"float[time, batch, 4] x, {kind}[batch] n")
    imported = import_model(path)
    check_against_the_original_alone(path, imported, tmp_path)
    assert "input 'n' is now 'lengths'" in imported.notes


def test_lengths_written_as_the_full_length_of_every_row_are_replaced(tmp_path):
    nodes = """
        [steps] shape = Shape (x)
        steps = Gather (shape, zero)
        rows = Gather (shape, one)
        full = Expand (steps, rows)
        full32 = Cast <to=6> (full)
        [lstm] y, h, c = LSTM <hidden_size=3> (x, W, R, B, full32)
    """
    path = write(tmp_path / "model.onnx", nodes, weights() | SIZES)
    check_against_the_original_alone(path, import_model(path), tmp_path)


@pytest.mark.parametrize("lengths", ["full32", "n32"])
def test_reversed_sequences_are_reversed_row_by_row(lengths, tmp_path):
    nodes = f"""
        n32 = Cast <to=6> (n)
        shape = Shape (x)
        steps = Gather (shape, zero)
        rows = Gather (shape, one)
        full = Expand (steps, rows)
        full32 = Identity (full)
        n64 = Cast <to=7> ({lengths})
        [turn] turned = ReverseSequence <time_axis=0, batch_axis=1> (x, n64)
        [lstm] y, h, c = LSTM <hidden_size=3> (turned, W, R, B)
    """
    inputs = "float[time, batch, 4] x, int64[batch] n"
    path = write(tmp_path / "model.onnx", nodes, weights() | SIZES, inputs=inputs)
    imported = import_model(path)
    check_against_the_original_alone(path, imported, tmp_path)
    assert not imported.causal


def test_weights_stored_in_half_or_in_eight_bits_are_unpacked(tmp_path):
    given = weights()
    small = np.round(given["W"] * 100).astype(np.int8)
    constants = given | {"Wq": small, "scale": np.float32(0.01), "R16": given["R"].astype(np.float16)}
    nodes = """
        Wf = DequantizeLinear (Wq, scale)
        Rf = Cast <to=1> (R16)
        y, h, c = LSTM <hidden_size=3> (x, Wf, Rf, B)
    """
    path = write(tmp_path / "model.onnx", nodes, constants)
    check_against_the_original_alone(path, import_model(path), tmp_path)


def test_weights_may_lie_in_a_file_beside_the_model(tmp_path):
    path = write(tmp_path / "model.onnx", OF_X)
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert (tmp_path / "weights.bin").stat().st_size > 0
    check_against_the_original_alone(path, import_model(path), tmp_path)


def test_a_function_of_the_model_is_inlined(tmp_path):
    text = f"""
        <ir_version: 8, opset_import: ["": 17, "mine": 1]>
        graph (float[time, batch, 4] x) => (float[time, 1, batch, 3] y)
        <float[1, 12, 4] W = {{{_numbers(48)}}}, float[1, 12, 3] R = {{{_numbers(36)}}}>
        {{ y = mine.twice (x, W, R) }}
        <domain: "mine", opset_import: ["": 17]>
        twice (a, W, R) => (y) {{ b = Add (a, a)  y, h, c = LSTM <hidden_size=3> (b, W, R) }}
    """
    path = tmp_path / "model.onnx"
    onnx.save(onnx.parser.parse_model(text), path)
    check_against_the_original_alone(path, import_model(path), tmp_path)


def _numbers(count):
    return ", ".join(f"{value:.3f}" for value in np.linspace(-0.9, 0.9, count))


def test_quantised_steps_and_features_cut_apart_stay_per_step(tmp_path):
    nodes = """
        [small] q = QuantizeLinear (x, scale, zero8)
        [large] d = DequantizeLinear (q, scale, zero8)
        left, right = Split <axis=2> (d)
        [swapped] z = Concat <axis=2> (right, left)
        [lstm] y0, h, c = LSTM <hidden_size=3> (z, W, R, B)
        [spread] y1 = Tile (y0, repeats)
        [best] y2 = ReduceMax <axes=[1], keepdims=1> (y1)
        [norm] y3 = LpNormalization <axis=3> (y2)
        [hard] y4 = Hardmax <axis=3> (y3)
        y = Add (y3, y4)
    """
    constants = weights() | {
        "scale": np.float32(0.1),
        "zero8": np.int8(0),
        "repeats": np.array([1, 2, 1, 1]),
    }
    path = write(tmp_path / "model.onnx", nodes, constants)
    check_against_the_original_alone(path, import_model(path), tmp_path)
