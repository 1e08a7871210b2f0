"""What TensorRT's parser makes of every recurrent node, by either route, is what ONNX Runtime computes."""

from __future__ import annotations

from drawn import examples
from hypothesis import given
from hypothesis import strategies as st
from network_interpreter import NetworkInterpreter
from recurrent_graphs import assert_equal_outputs, feeds_for, graph_of, on_onnx_runtime, recurrences
from tensorrt_here import network_of, tensorrt

from service.plans.network import PlanRefused, prepared_graph
from service.plans.plan import Precision, Route

stacks = st.lists(recurrences(), min_size=1, max_size=2)
plainer_stacks = st.lists(recurrences() | recurrences(is_plain=True), min_size=1, max_size=2)
sizes = st.integers(1, 5)
seeds = st.integers(0, 1 << 30)


@given(stacks, sizes, sizes, sizes, seeds)
@examples(40)
def test_the_hoisted_network_computes_every_node(stack, features, steps, rows, seed):
    model = graph_of(stack, features, seed)
    graph = prepared_graph(model.SerializeToString(), Route.HOISTED, Precision.FP32)
    assert_same(graph, model, feeds_for(model, steps, rows, seed))


@given(plainer_stacks, sizes, sizes, sizes, seeds)
@examples(60)
def test_the_parsers_network_computes_whatever_was_not_refused(stack, features, steps, rows, seed):
    model = graph_of(stack, features, seed)
    try:
        graph = prepared_graph(model.SerializeToString(), Route.PARSER, Precision.FP32)
    except PlanRefused:
        return
    assert_same(graph, model, feeds_for(model, steps, rows, seed))


def assert_same(graph, model, feeds) -> None:
    found = NetworkInterpreter(tensorrt(), network_of(graph)).run(feeds)
    assert_equal_outputs(found, on_onnx_runtime(model.SerializeToString(), feeds), 1e-5)
