"""Inputs, outputs and loops that the contract has no place for are refused by name."""

from __future__ import annotations

import pytest
from onnx_import_graphs import NUMBERS, OF_X, refusal, weights, write

from model_export.onnx_import import import_model


@pytest.mark.parametrize(
    ("operator", "body"),
    [
        (
            "Scan",
            "num_scan_inputs = 1, body = b (float[a, b, 4] s, float[a, b, 4] e) => (float[] s1, float[] y1)",
        ),
        ("Loop", "body = b (float[a, b, 4] s, float[a, b, 4] e) => (float[] s1, float[] y1)"),
    ],
)
def test_recurrence_inside_a_loop_is_refused(operator, body, tmp_path):
    inner = "y1, h, c = LSTM <hidden_size=3> (e, W, R)  s1 = Identity (s)"
    path = write(tmp_path / "model.onnx", f"[loop] s2, y = {operator} <{body} {{ {inner} }}> (x, x)")
    refused = refusal(path)
    assert refused.node == "loop"
    assert f"its recurrence is inside {operator}" in refused.reason


def test_a_loop_beside_a_recurrent_node_is_refused(tmp_path):
    body = "num_scan_inputs = 1, body = b (float[] s, float[] e) => (float[] s1, float[] e1)"
    nodes = f"{OF_X} [loop] s, y1 = Scan <{body} {{ s1 = Add (s, e)  e1 = Identity (s1) }}> (h, y)"
    refused = refusal(write(tmp_path / "model.onnx", nodes, outputs="float[] y1"))
    assert (refused.node, "is a loop" in refused.reason) == ("loop", True)


def test_a_model_without_recurrence_is_refused(tmp_path):
    refused = refusal(write(tmp_path / "model.onnx", "y = Relu (x)"))
    assert (refused.node, refused.reason) == ("graph", "holds no LSTM, GRU or RNN node")


def test_operators_of_other_domains_are_refused(tmp_path):
    nodes = f"{OF_X} [own] y1 = elsewhere.Relu (y)"
    path = write(tmp_path / "model.onnx", nodes, outputs="float[] y1", domains=', "elsewhere": 1')
    refused = refusal(path)
    assert (refused.node, "is not known" in refused.reason) == ("own", True)


@pytest.mark.parametrize(
    ("inputs", "named", "reason"),
    [
        ("float[time, batch, 4] x, float[batch, 2] z", "input z", "is neither the sequence, nor its lengths"),
        ("float[time, 4] x", "input x", "has 2 axes"),
        ("float[] x", "input x", "has no declared shape"),
        ("double[time, batch, 4] x", "input x", "holds DOUBLE; recurrent operators compute in FLOAT"),
        ("float16[time, batch, 4] x", "input x", "holds FLOAT16; recurrent operators compute in FLOAT"),
        ("float[a, b, c, d] x", "input x", "has open features whose extents no weight tells"),
        (
            "float[time, 2, 4] x, float[1, 3, 3] s",
            "input s",
            "fixes batch to 3, and the model fixes it to 2 elsewhere",
        ),
    ],
)
def test_inputs_that_the_contract_has_no_place_for_are_refused(inputs, named, reason, tmp_path):
    given = "s" if " s" in inputs else ""
    nodes = f"[lstm] y, h, c = LSTM <hidden_size=3> (x, W, R, B, , {given})"
    nodes += " y1 = Add (y, z)" if " z" in inputs else " y1 = Identity (y)"
    refused = refusal(write(tmp_path / "model.onnx", nodes, inputs=inputs, outputs="float[] y1"))
    assert refused.node == named
    assert reason in refused.reason


def test_two_sequences_are_refused(tmp_path):
    nodes = "[sum] s = Add (x, x2)  y, h, c = LSTM <hidden_size=3> (s, W, R, B)"
    inputs = "float[time, batch, 4] x, float[time, batch, 4] x2"
    refused = refusal(write(tmp_path / "model.onnx", nodes, inputs=inputs))
    assert refused.node == "inputs x, x2"
    assert "one input must lead to the recurrent nodes" in refused.reason


def test_weights_left_open_are_refused_and_may_be_given(tmp_path):
    given = weights()
    path = write(
        tmp_path / "model.onnx",
        OF_X,
        {name: given[name] for name in "RB"},
        inputs="float[time, batch, 4] x, float[1, 12, 4] W",
    )
    assert refusal(path).node == "input W"
    assert import_model(path, constants={"W": given["W"]}).causal


def test_one_of_several_answers_has_to_be_named(tmp_path):
    nodes = f"{OF_X} y1 = Relu (y)"
    path = write(
        tmp_path / "model.onnx", nodes, outputs="float[t, d, b, 3] y, float[t, d, b, 3] y1, float[d, b, 3] h"
    )
    assert refusal(path).node == "outputs y, y1"
    assert refusal(path, output="y2").reason == "is not among the model's outputs: y, y1, h"
    assert import_model(path, output="y1").origin.output == "y1"


SORTED = """
    n64 = Cast <to=7> (n)  count = Shape (n)  longest, order = TopK (n64, count)
    n32 = Cast <to=6> (longest)  s = Gather <axis=1> (x, order)
"""
OUTER_SUM = "s1 = Squeeze (y, one)  a = Unsqueeze (s1, zero)  b = Unsqueeze (s1, one)  y1 = Add (a, b)"


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        (f"{OF_X} y1 = ArgMax <axis=3> (y)", "is no FLOAT tensor computed from the sequence"),
        (f"{SORTED} y1, h, c = LSTM <hidden_size=3> (s, W, R, B, n32)", "its rows stand in order of length"),
        (
            f"{OF_X} {OUTER_SUM}",
            "has axes [time, time, batch, 3], where one batch and at most one time are needed",
        ),
    ],
)
def test_an_output_that_is_no_answer_is_refused(nodes, reason, tmp_path):
    inputs = "float[time, batch, 4] x, int64[batch] n"
    path = write(tmp_path / "model.onnx", nodes, weights() | NUMBERS, inputs=inputs, outputs="float[] y1")
    refused = refusal(path)
    assert refused.node == "output y1"
    assert reason in refused.reason
