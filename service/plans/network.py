"""From a bundle's graph to a TensorRT network. TensorRT itself is handed in: this imports without it."""

from __future__ import annotations

from typing import Any

import onnx
from google.protobuf.message import DecodeError

from service.plans.graph_rules import refuse_misread, spell_out
from service.plans.hoisting import hoist_recurrences
from service.plans.plan import Precision, Route
from service.plans.precision import in_precision
from service.plans.refusal import PlanRefused

__all__ = ["PlanRefused", "prepared_graph", "write_network"]


def prepared_graph(onnx_bytes: bytes, route: Route, precision: Precision) -> bytes:
    """The graph that TensorRT is given: recurrences hoisted where asked, in the precision asked.

    Raises PlanRefused, naming the node, where TensorRT would refuse it or compute something else.
    """
    try:
        model = onnx.load_model_from_string(onnx_bytes)
    except DecodeError as failure:
        raise PlanRefused(f"graph: not an ONNX file: {failure}") from failure
    if route is Route.HOISTED:
        hoist_recurrences(model)
    refuse_misread(model, precision)
    spell_out(model)
    graph: bytes = in_precision(model, precision).SerializeToString()
    return graph


def write_network(trt: Any, network: Any, logger: Any, graph: bytes) -> None:
    """Parse `graph` into an empty, strongly typed network; raises PlanRefused with the parser's own words.

    The network keeps its parser alive, and with it the weights that TensorRT only points at.
    """
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(graph):
        errors = [parser.get_error(index) for index in range(parser.num_errors)]
        raise PlanRefused("; ".join(map(_words, errors)) or "TensorRT: the parser refused without a reason")


def _words(error: Any) -> str:
    return f"{error.node_operator() or 'graph'} {error.node_name()!r}: {error.desc()}"
