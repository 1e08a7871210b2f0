"""Half precision: what is half and what stays float32, and how far the answers move."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from drawn import examples
from hypothesis import assume, given
from hypothesis import strategies as st
from network_interpreter import NetworkInterpreter
from onnx import TensorProto, helper, numpy_helper
from recurrent_graphs import (
    Recurrence,
    assert_equal_outputs,
    feeds_for,
    graph_of,
    on_onnx_runtime,
    recurrences,
)
from tensorrt_here import network_of, tensorrt

from service.plans.network import PlanRefused, prepared_graph
from service.plans.plan import Precision, Route

HALVES = {Precision.FP16: TensorProto.FLOAT16, Precision.BF16: TensorProto.BFLOAT16}
half_precisions = st.sampled_from(list(HALVES))
stacks = st.lists(recurrences(), min_size=1, max_size=2)


def in_half(model: onnx.ModelProto, precision=Precision.FP16, route=Route.HOISTED) -> onnx.ModelProto:
    return onnx.load_model_from_string(prepared_graph(model.SerializeToString(), route, precision))


def scan_body(model: onnx.ModelProto) -> onnx.GraphProto:
    (scan,) = (node for node in model.graph.node if node.op_type == "Scan")
    return next(attribute.g for attribute in scan.attribute if attribute.name == "body")


def element(value: onnx.ValueInfoProto) -> int:
    return value.type.tensor_type.elem_type


def dense(weights: float, *more: onnx.NodeProto, output: str = "product") -> onnx.ModelProto:
    """`x [rows, 2]` times weights of one value, and what comes after."""
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "W"], ["product"]), *more],
        "dense",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 2])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["rows", 2])],
        [numpy_helper.from_array(np.full((2, 2), weights, np.float32), "W")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@given(stacks, half_precisions, st.integers(1, 8), st.integers(0, 1 << 30))
@examples(30)
def test_every_recurrent_node_computes_in_half_precision(stack, precision, steps, seed):
    # A threshold is a step: beside it, rounding an input changes the output by the threshold.
    assume("ThresholdedRelu" not in str(stack))
    model = graph_of(stack, features=3, seed=seed)
    feeds = feeds_for(model, steps, rows=3, seed=seed)
    graph = prepared_graph(model.SerializeToString(), Route.HOISTED, precision)
    found = NetworkInterpreter(tensorrt(), network_of(graph)).run(feeds)
    tolerance = {Precision.FP16: 1e-2, Precision.BF16: 8e-2}[precision]
    assert_equal_outputs(found, on_onnx_runtime(model.SerializeToString(), feeds), tolerance)


@pytest.mark.parametrize("precision", HALVES)
def test_an_lstm_carries_h_in_half_and_c_in_float32(precision):
    body = scan_body(in_half(graph_of([Recurrence()], 2, seed=1), precision))
    h, c, step, running = map(element, body.input)
    assert (h, c, step, running) == (
        HALVES[precision],
        TensorProto.FLOAT,
        HALVES[precision],
        TensorProto.BOOL,
    )
    assert [element(value) for value in body.output] == [
        HALVES[precision],
        TensorProto.FLOAT,
        HALVES[precision],
    ]


def test_a_gru_carries_what_it_adds_to_in_float32():
    body = scan_body(in_half(graph_of([Recurrence("GRU")], 2, seed=1)))
    assert element(body.input[0]) == TensorProto.FLOAT


def test_inputs_and_outputs_keep_their_names_and_types():
    model = graph_of([Recurrence(), Recurrence("GRU")], 2, seed=1)
    converted = in_half(model)
    for before, after in (
        (model.graph.input, converted.graph.input),
        (model.graph.output, converted.graph.output),
    ):
        assert [(v.name, element(v)) for v in before] == [(v.name, element(v)) for v in after]


def test_an_output_that_is_a_product_is_cast_back_under_its_name():
    x = np.ones((3, 2), np.float32)
    found = on_onnx_runtime(in_half(dense(0.5)).SerializeToString(), {"x": x})
    assert found["product"].dtype == np.float32
    np.testing.assert_array_equal(found["product"], np.ones((3, 2)))


def test_softmax_gates_and_sums_compute_in_float32():
    softmax = helper.make_node("Softmax", ["product"], ["y"])
    converted = in_half(dense(0.5, softmax, output="y"))
    assert [node.op_type for node in converted.graph.node] == ["Cast", "MatMul", "Cast", "Softmax"]
    body = scan_body(onnx.shape_inference.infer_shapes(in_half(graph_of([Recurrence()], 2, seed=1))))
    elements = {value.name: element(value) for value in body.value_info}
    gates = [node.input[0] for node in body.node if node.op_type in {"Sigmoid", "Tanh"}]
    assert [elements[gate] for gate in gates] == [TensorProto.FLOAT] * 5
    sums = [node.output[0] for node in body.node if node.op_type == "Add"]
    assert [elements[total] for total in sums] == [TensorProto.FLOAT] * 2


def test_a_weight_beyond_fp16_is_refused_by_its_name_and_fits_bf16():
    model = dense(1e5)
    with pytest.raises(PlanRefused, match="W: holds 100000, which is beyond fp16; expected fp32"):
        in_half(model)
    in_half(model, Precision.BF16)


def test_the_branches_of_an_if_keep_float32_at_their_ends():
    def branch(name: str, weights: str) -> onnx.GraphProto:
        product = helper.make_node("MatMul", ["product", weights], [name])
        return helper.make_graph(
            [product], name, [], [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", 2])]
        )

    choice = helper.make_node(
        "If", ["yes"], ["y"], then_branch=branch("a", "W"), else_branch=branch("b", "W")
    )
    model = dense(0.5, choice, output="y")
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    x = np.ones((3, 2), np.float32)
    found = on_onnx_runtime(in_half(model, route=Route.PARSER).SerializeToString(), {"x": x})
    np.testing.assert_array_equal(found["y"], np.ones((3, 2)))
