"""LSTM, GRU and RNN computed anew: equal to ONNX Runtime in all their attributes, and to the formulas."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from drawn import examples
from hypothesis import assume, given
from hypothesis import strategies as st
from recurrent_graphs import Recurrence, feeds_for, graph_of, on_onnx_runtime, recurrences

from service.errors import EngineFailed
from service.inspection.extra_outputs import with_outputs
from service.inspection.inspection import InspectedLayer, layer_difference
from service.inspection.recurrence import quantities
from service.inspection.recurrent_layers import recurrent_layers
from service.repository.model_file.messages import read_model


def inspected(model: onnx.ModelProto, feeds):
    """Each layer with what it did, and the node's own outputs."""
    content = model.SerializeToString()
    layers, others = recurrent_layers(read_model(content))
    assert others == ()
    inside = {tensor for layer in layers for tensor in layer.inputs.values()} - feeds.keys()
    known = feeds | on_onnx_runtime(with_outputs(content, sorted(inside)), feeds)
    for layer in layers:
        tensors = {name: known[tensor] for name, tensor in layer.inputs.items()}
        found = [quantities(layer, place, tensors, lambda: None) for place in range(len(layer.directions))]
        outputs = {name: known[tensor] for name, tensor in layer.outputs.items()}
        yield InspectedLayer(layer, tuple(found)), outputs


@given(
    st.lists(recurrences(), min_size=1, max_size=3),
    st.integers(1, 4),
    st.integers(1, 9),
    st.integers(0, 3),
    st.integers(0, 1 << 30),
)
@examples(60)
def test_what_is_computed_anew_is_what_onnx_runtime_computed(stack, features, steps, padding, seed):
    model = graph_of(stack, features, seed)
    feeds = feeds_for(model, steps + padding, 1, seed)
    if "lengths" in feeds:
        feeds["lengths"][0] = steps
    results = list(inspected(model, feeds))
    outputs = [array for _, theirs in results for array in theirs.values()]
    assume(max(np.abs(array).max() for array in outputs) < 100)
    assert [layer.layer.operator for layer, _ in results] == [layer.operator for layer in stack]
    for layer, theirs in results:
        # Other activations than a sigmoid are not bound to 1: rounding grows with every step.
        assert layer_difference(layer, theirs) < 2e-5
        due = steps if "lengths" in layer.layer.inputs else steps + padding
        assert all(len(values) == due for each in layer.directions for values in each.values())


def test_a_step_of_a_peephole_lstm_is_as_the_formulas_say():
    (one,) = inspected(graph_of([Recurrence(hidden=1, has_peepholes=True)], 1, seed=3), one_step())
    (did,) = one[0].directions
    weights = {
        tensor.name: onnx.numpy_helper.to_array(tensor).astype(np.float64).ravel()
        for tensor in graph_of([Recurrence(hidden=1, has_peepholes=True)], 1, seed=3).graph.initializer
    }
    w_i, w_o, w_f, w_c = weights["W_0"]
    r_i, r_o, r_f, r_c = weights["R_0"]
    b_i, b_o, b_f, b_c = weights["B_0"][:4] + weights["B_0"][4:]
    p_i, p_o, p_f = weights["P_0"]
    x, h, c = 0.5, -0.25, 0.75
    i = 1 / (1 + np.exp(-(w_i * x + r_i * h + p_i * c + b_i)))
    f = 1 / (1 + np.exp(-(w_f * x + r_f * h + p_f * c + b_f)))
    g = np.tanh(w_c * x + r_c * h + b_c)
    cell = f * c + i * g
    o = 1 / (1 + np.exp(-(w_o * x + r_o * h + p_o * cell + b_o)))
    due = {"input": i, "forget": f, "output": o, "candidate": g, "cell": cell, "hidden": o * np.tanh(cell)}
    assert did.keys() == due.keys()
    for name, value in due.items():
        np.testing.assert_allclose(did[name], [[value]], rtol=0, atol=1e-12, err_msg=name)


def one_step():
    state = np.full((1, 1, 1), 0.75, np.float32)
    return {
        "x": np.full((1, 1, 1), 0.5, np.float32),
        "lengths": np.array([1], np.int32),
        "h_0": np.full((1, 1, 1), -0.25, np.float32),
        "c_0": state,
    }


@pytest.mark.parametrize("operator", ["LSTM", "GRU", "RNN"])
def test_the_reverse_direction_is_told_in_the_order_of_the_sequence(operator):
    stack = [Recurrence(operator, direction="bidirectional", has_states=False)]
    (layer, _), *_ = inspected(
        graph_of(stack, 2, seed=1), feeds_for(graph_of(stack, 2, seed=1), 6, 1, seed=2)
    )
    forward, reverse = layer.directions
    assert layer.layer.directions == ("forward", "reverse")
    # With the weights of the reverse direction, forwards over the sequence turned round.
    turned = graph_of(stack, 2, seed=1)
    for tensor in turned.graph.initializer:
        if tensor.name[0] in "WRB":
            array = onnx.numpy_helper.to_array(tensor)[::-1]
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.ascontiguousarray(array), tensor.name))
    feeds = feeds_for(turned, 6, 1, seed=2)
    feeds["x"] = feeds["x"][::-1].copy()
    (other, _), *_ = inspected(turned, feeds)
    for name, values in reverse.items():
        np.testing.assert_allclose(values, other.directions[0][name][::-1], rtol=0, atol=1e-12)
        assert not np.allclose(values, forward[name])


@pytest.mark.parametrize("output", ["Y", "Y_h", "Y_c"])
def test_what_differs_from_the_engine_is_refused_with_the_layer_and_how_much(output):
    model = graph_of([Recurrence()], 2, seed=1)
    ((layer, theirs),) = inspected(model, feeds_for(model, 4, 1, seed=2))
    theirs[output] = theirs[output] + np.float32(0.01)
    with pytest.raises(EngineFailed, match=rf"layer_0: {output} differs by 0\.01 from what ONNX Runtime"):
        layer_difference(layer, theirs)
    theirs[output] = theirs[output] * np.float32(np.nan)
    with pytest.raises(EngineFailed, match=f"layer_0: {output} differs by nan"):
        layer_difference(layer, theirs)


def test_recurrences_that_are_no_such_node_are_named():
    model = graph_of([Recurrence()], 2, seed=1)
    model.graph.node.append(onnx.helper.make_node("Scan", ["Y_0"], ["scanned"], name="loop"))
    model.graph.node.append(onnx.helper.make_node("Loop", ["Y_0"], ["turned"]))
    layers, others = recurrent_layers(read_model(model.SerializeToString()))
    assert [layer.name for layer in layers] == ["layer_0"]
    assert others == ("loop (Scan)", "turned (Loop)")
