"""The interpreter against ONNX Runtime where the recurrent networks do not lead it, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from drawn import examples
from hypothesis import given
from hypothesis import strategies as st
from network_interpreter import NetworkInterpreter, UnknownLayer
from onnx import TensorProto, helper, numpy_helper
from recurrent_graphs import assert_equal_outputs, on_onnx_runtime
from tensorrt_here import builder, network_of, tensorrt

few = st.integers(1, 3)


def graph_of_node(operator, weights, shape, **attributes) -> bytes:
    """`x` of the shape given, then weights by name, into one node."""
    node = helper.make_node(operator, ["x", *weights], ["y"], name="node", **attributes)
    graph = helper.make_graph(
        [node],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None] * len(shape))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * len(shape))],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()


@given(few, few, few, st.integers(1, 2), st.data(), st.integers(0, 1 << 30))
@examples(30)
def test_a_convolution_is_the_one_of_onnx_runtime(rows, channels, filters, axes, data, seed):
    random = np.random.default_rng(seed)
    kernel, strides, dilations = (data.draw(st.lists(few, min_size=axes, max_size=axes)) for _ in range(3))
    pads = data.draw(st.lists(st.integers(0, 2), min_size=2 * axes, max_size=2 * axes))
    weights = {"W": random.normal(size=(filters, channels, *kernel)).astype(np.float32)}
    if data.draw(st.booleans()):
        weights["B"] = random.normal(size=filters).astype(np.float32)
    x = random.normal(size=(rows, channels, *[9] * axes)).astype(np.float32)
    graph = graph_of_node("Conv", weights, x.shape, strides=strides, dilations=dilations, pads=pads)
    found = NetworkInterpreter(tensorrt(), network_of(graph)).run({"x": x})
    assert_equal_outputs(found, on_onnx_runtime(graph, {"x": x}), 1e-5)


@pytest.mark.parametrize(
    "operator", ["Softplus", "Softsign", "Elu", "HardSigmoid", "ThresholdedRelu", "LeakyRelu"]
)
def test_an_activation_outside_a_recurrence_is_the_one_of_onnx_runtime(operator):
    x = np.linspace(-4, 4, 41, dtype=np.float32).reshape(1, 41)
    graph = graph_of_node(operator, {}, x.shape)
    found = NetworkInterpreter(tensorrt(), network_of(graph)).run({"x": x})
    assert_equal_outputs(found, on_onnx_runtime(graph, {"x": x}), 1e-6)


def test_a_layer_that_it_was_not_taught_is_named():
    network = builder().create_network(0)
    trt = tensorrt()
    layer = network.add_topk(network.add_input("x", trt.float32, (4,)), trt.TopKOperation.MAX, 1, 1)
    layer.name = "best"
    network.mark_output(layer.get_output(0))
    with pytest.raises(UnknownLayer, match=r"layer 'best': LayerType\.TOPK is not interpreted"):
        NetworkInterpreter(trt, network)


def test_half_floats_are_rounded_after_every_layer():
    trt = tensorrt()
    for kind, due in ((trt.float16, 2048.0), (trt.bfloat16, 2048.0), (trt.float32, 2049.0)):
        network = builder().create_network(0)
        a, b = (network.add_input(name, kind, (1,)) for name in "ab")
        total = network.add_elementwise(a, b, trt.ElementWiseOperation.SUM).get_output(0)
        total.name = "total"
        network.mark_output(total)
        interpreter = NetworkInterpreter(trt, network)
        found = interpreter.run({"a": np.array([2048.0], np.float32), "b": np.array([1.0], np.float32)})
        assert float(found["total"][0]) == due
