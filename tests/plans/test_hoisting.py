"""What the hoisted route makes of a recurrent node equals the node on ONNX Runtime, in all its attributes."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from drawn import examples
from hypothesis import assume, given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from recurrent_graphs import (
    Recurrence,
    assert_equal_outputs,
    feeds_for,
    graph_of,
    on_onnx_runtime,
    recurrences,
)

from service.plans.hoisting import hoist_recurrences

layers = st.lists(recurrences(), min_size=1, max_size=3)
seeds = st.integers(0, 1 << 30)


def hoisted(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    hoist_recurrences(copy)
    return copy


def tolerance(stack: list[Recurrence]) -> float:
    """A gate of Relu or the like is not bound to 1: a rounding error grows with every step."""
    return 1e-5 if any("activations" in dict(layer.attributes) for layer in stack) else 1e-6


@given(layers, st.integers(1, 4), st.integers(1, 9), st.integers(1, 5), seeds)
@examples(80)
def test_the_loop_computes_what_the_nodes_compute(stack, features, steps, rows, seed):
    model = graph_of(stack, features, seed)
    feeds = feeds_for(model, steps, rows, seed)
    due = on_onnx_runtime(model.SerializeToString(), feeds)
    assume(max(np.abs(array).max() for array in due.values()) < 100)
    rewritten = hoisted(model)
    assert not {"LSTM", "GRU", "RNN"} & {node.op_type for node in rewritten.graph.node}
    onnx.checker.check_model(rewritten, full_check=True)
    found = on_onnx_runtime(rewritten.SerializeToString(), feeds)
    assert_equal_outputs(found, due, tolerance(stack))


def cut_to(model: onnx.ModelProto, outputs: set[str]) -> onnx.ModelProto:
    kept = [value for value in model.graph.output if value.name in outputs]
    del model.graph.output[:]
    model.graph.output.extend(kept)
    return model


@pytest.mark.parametrize("output", ["Y_0", "Y_h_0", "Y_c_0"])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_each_output_alone_is_all_that_leaves_the_loop(output, direction):
    model = cut_to(graph_of([Recurrence(direction=direction)], 3, seed=2), {output})
    feeds = feeds_for(model, steps=6, rows=3, seed=2)
    rewritten = hoisted(model)
    scans = [node for node in rewritten.graph.node if node.op_type == "Scan"]
    assert len(scans) == 1
    stacked = 2 if direction == "bidirectional" else 1
    assert len(scans[0].output) == 2 + (stacked if output == "Y_0" else 0)
    found = on_onnx_runtime(rewritten.SerializeToString(), feeds)
    assert_equal_outputs(found, on_onnx_runtime(model.SerializeToString(), feeds), 1e-6)


def test_an_output_that_only_a_branch_reads_still_leaves_the_loop():
    model = graph_of([Recurrence()], 3, seed=2)
    info = helper.make_tensor_value_info("z", TensorProto.FLOAT, None)
    branches = {
        name: helper.make_graph([helper.make_node(operator, ["Y_h_0"], ["z"])], name, [], [info])
        for name, operator in (("then_branch", "Neg"), ("else_branch", "Identity"))
    }
    model.graph.node.append(helper.make_node("If", ["yes"], ["choice"], **branches))
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    model.graph.output.append(helper.make_tensor_value_info("choice", TensorProto.FLOAT, [1, "batch", 4]))
    model = cut_to(model, {"choice"})
    feeds = feeds_for(model, steps=6, rows=3, seed=2)
    found = on_onnx_runtime(hoisted(model).SerializeToString(), feeds)
    assert_equal_outputs(found, on_onnx_runtime(model.SerializeToString(), feeds), 1e-6)


def test_what_is_past_a_rows_length_changes_nothing():
    graph = hoisted(graph_of([Recurrence(direction="bidirectional")], 3, seed=2)).SerializeToString()
    feeds = feeds_for(onnx.load_model_from_string(graph), steps=6, rows=2, seed=2)
    feeds["lengths"] = np.array([2, 6], np.int32)
    before = on_onnx_runtime(graph, feeds)
    feeds["x"][2:, 0] = 1e6
    after = on_onnx_runtime(graph, feeds)
    for name, array in before.items():
        np.testing.assert_array_equal(after[name], array)
