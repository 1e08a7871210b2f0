"""What TensorRT's parser gets wrong is refused by node and reason; the hoisted route takes what it can."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from recurrent_graphs import Recurrence, assert_equal_outputs, feeds_for, graph_of, on_onnx_runtime
from tensorrt_here import network_of

from service.plans.network import PlanRefused, prepared_graph
from service.plans.plan import Precision, Route

BOTH_WAYS = ("Sigmoid", "Tanh", "Tanh", "Sigmoid", "Tanh", "Relu")
ONLY_HOISTED = {
    "input_forget": Recurrence(attributes=(("input_forget", 1),)),
    "clip": Recurrence(attributes=(("clip", 0.3),)),
    "Softplus or Affine": Recurrence(attributes=(("activations", ["Sigmoid", "Softplus", "Tanh"]),)),
    "differ between": Recurrence(direction="bidirectional", attributes=(("activations", BOTH_WAYS),)),
}


def prepared(model: onnx.ModelProto, route: Route = Route.PARSER, precision=Precision.FP32) -> bytes:
    return prepared_graph(model.SerializeToString(), route, precision)


def model_of(nodes, inputs, outputs, weights=(), opset: int = 17) -> onnx.ModelProto:
    """Float tensors of any shape `[2]` in and out, unless given whole."""

    def info(value):
        whole = isinstance(value, onnx.ValueInfoProto)
        return value if whole else helper.make_tensor_value_info(value, TensorProto.FLOAT, [2])

    graph = helper.make_graph(nodes, "graph", [*map(info, inputs)], [*map(info, outputs)], list(weights))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


@pytest.mark.parametrize("reason", ONLY_HOISTED)
def test_what_the_parser_misreads_is_refused_there_and_hoisted(reason):
    model = graph_of([ONLY_HOISTED[reason]], features=2, seed=1)
    with pytest.raises(PlanRefused, match=f"LSTM 'layer_0': .*{reason}.*expected the hoisted route"):
        prepared(model)
    feeds = feeds_for(model, steps=5, rows=3, seed=1)
    found = on_onnx_runtime(prepared(model, Route.HOISTED), feeds)
    assert_equal_outputs(found, on_onnx_runtime(model.SerializeToString(), feeds), 1e-6)


@pytest.mark.parametrize("route", Route)
def test_a_batch_first_node_is_refused_by_either_route(route):
    model = graph_of([Recurrence(attributes=(("layout", 1),))], features=2, seed=1)
    with pytest.raises(PlanRefused, match=r"LSTM 'layer_0': layout 1 \(batch first\)"):
        prepared(model, route)


def test_only_lengths_keep_the_parser_from_half_precision():
    model = graph_of([Recurrence(has_lengths=False)], features=2, seed=1)
    assert network_of(prepared(model, precision=Precision.FP16)).num_layers
    with pytest.raises(PlanRefused, match="sequence_lens in half precision"):
        prepared(graph_of([Recurrence()], features=2, seed=1), precision=Precision.FP16)


def test_a_gru_in_bf16_is_refused_on_the_parsers_route_only():
    model = graph_of([Recurrence("GRU", has_lengths=False)], features=2, seed=1)
    with pytest.raises(PlanRefused, match="GRU 'layer_0': a GRU in bf16"):
        prepared(model, precision=Precision.BF16)
    assert network_of(prepared(model, Route.HOISTED, Precision.BF16)).num_layers


def test_doubles_are_refused_wherever_they_are():
    weights = numpy_helper.from_array(np.ones(2), "weights")
    entry = helper.make_tensor_value_info("x", TensorProto.DOUBLE, [2])
    cast = helper.make_node("Cast", ["x"], ["y"], name="widen", to=TensorProto.DOUBLE)
    add = helper.make_node("Add", ["x", "weights"], ["y"])
    constant = helper.make_node("Constant", [], ["y"], name="pi", value=weights)
    for model, culprit in (
        (model_of([add], ["x"], ["y"], [weights]), "weights"),
        (model_of([add], [entry], ["y"]), "x"),
        (model_of([cast], ["x"], ["y"]), "Cast 'widen'"),
        (model_of([constant], ["x"], ["y"]), "Constant 'pi'"),
    ):
        with pytest.raises(PlanRefused, match=f"{culprit}.*64-bit floats"):
            prepared(model)


def test_sequences_of_tensors_are_refused():
    node = helper.make_node("SplitToSequence", ["x"], ["parts"], name="cut")
    with pytest.raises(PlanRefused, match="SplitToSequence 'cut': sequences of tensors"):
        prepared(model_of([node], ["x"], ["parts"]))


def test_weights_that_are_computed_cannot_be_hoisted():
    model = graph_of([Recurrence()], features=2, seed=1)
    model.graph.node.insert(0, helper.make_node("Neg", ["W_0"], ["turned"]))
    model.graph.node[1].input[1] = "turned"
    with pytest.raises(PlanRefused, match="LSTM 'layer_0': turned is computed in the graph"):
        prepared(model, Route.HOISTED)


def test_a_graph_too_old_for_the_loop_is_refused():
    model = graph_of([Recurrence()], features=2, seed=1)
    model.opset_import[0].version = 12
    with pytest.raises(PlanRefused, match="opset 12, expected 13 or later"):
        prepared(model, Route.HOISTED)


def test_an_unknown_activation_is_refused_by_its_name():
    model = graph_of([Recurrence("RNN", attributes=(("activations", ["Mish"]),))], features=2, seed=1)
    with pytest.raises(PlanRefused, match="activation mish: expected one of affine, elu"):
        prepared(model)


def test_a_loop_without_a_condition_is_given_one_that_the_parser_takes():
    double = helper.make_graph(
        [
            helper.make_node("Add", ["state", "state"], ["next"]),
            helper.make_node("Identity", ["go"], ["on"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, [2]),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, [2]),
        ],
    )
    loop = helper.make_node("Loop", ["turns", "", "x"], ["y"], name="double", body=double)
    model = model_of([loop], ["x"], ["y"], [numpy_helper.from_array(np.array(3), "turns")])
    graph = prepared(model)
    assert network_of(graph).num_layers
    found = on_onnx_runtime(graph, {"x": np.array([1.0, 2.0], np.float32)})
    np.testing.assert_array_equal(found["y"], [8.0, 16.0])
