"""The way from a graph to a network, and its refusals."""

from __future__ import annotations

import pytest
from onnx import TensorProto, helper
from tensorrt_here import network_of

from service.plans.network import PlanRefused, prepared_graph
from service.plans.plan import Precision, Route


def graph_with(operator: str, domain: str = "") -> bytes:
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in "xy")
    node = helper.make_node(operator, ["x"], ["y"], name="odd", domain=domain)
    model = helper.make_model(
        helper.make_graph([node], "graph", [x], [y]),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    return model.SerializeToString()


def test_a_file_that_is_no_graph_is_refused():
    with pytest.raises(PlanRefused, match="graph: not an ONNX file"):
        prepared_graph(b"\xffno graph", Route.PARSER, Precision.FP32)


def test_what_the_parser_does_not_know_is_refused_in_its_words():
    with pytest.raises(PlanRefused, match=r"Juggle 'odd': .*[Pp]lugin"):
        network_of(graph_with("Juggle", domain="circus"))


def test_a_graph_without_recurrence_is_the_same_by_either_route():
    graph = graph_with("Sin")
    by_parser, hoisted = (prepared_graph(graph, route, Precision.FP32) for route in Route)
    assert by_parser == hoisted
    assert network_of(hoisted).num_layers
