"""A recurrent node as one product over all steps, and a Scan over what depends on the step before.

Both directions run in one loop, on a leading axis: the reverse one scans the same time axis from its end,
and its rows keep their initial state until their own last step is reached.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper

from service.plans.graph import NodeWriter, constants, remove_unused, replace_nodes, used_names
from service.plans.hoisting.cells import CELLS, projection_bias
from service.plans.hoisting.recurrent_node import GATES, RecurrentNode, read_recurrent_node
from service.plans.refusal import PlanRefused

OLDEST_OPSET = 13
_SCAN_DIRECTIONS = {"forward": [0], "reverse": [1], "bidirectional": [0, 1]}


def hoist_recurrences(model: onnx.ModelProto) -> None:
    """Rewrite every LSTM, GRU and RNN of the main graph in place; raises PlanRefused, naming the node."""
    graph = model.graph
    opset = next((entry.version for entry in model.opset_import if not entry.domain), 1)
    if opset < OLDEST_OPSET:
        raise PlanRefused(f"graph: opset {opset}, expected {OLDEST_OPSET} or later to write the loop in")
    remove_unused(graph)
    known = constants(graph)
    asked = used_names(graph)
    writer = NodeWriter("hoisted")
    for node in graph.node:
        if node.op_type in GATES:
            _write(writer, read_recurrent_node(node, known), asked)
        else:
            writer.nodes.append(node)
    replace_nodes(graph, writer.nodes)
    graph.initializer.extend(writer.initializers)
    remove_unused(graph)


def _write(writer: NodeWriter, node: RecurrentNode, asked: set[str]) -> None:
    y, *last = (name if name in asked else "" for name in node.outputs)
    states = [_initial_state(writer, node, given) for given in node.initial]
    scanned = _projections(writer, node)
    if node.lengths:
        scanned += [_is_running(writer, node)] * node.directions
    body = _body(writer, node, len(states), has_outputs=bool(y))
    directions = _SCAN_DIRECTIONS[node.direction]
    ends = writer.several(
        "Scan",
        *states,
        *scanned,
        outputs=len(body.output),
        body=body,
        num_scan_inputs=len(scanned),
        scan_input_directions=directions * (len(scanned) // len(directions)),
        scan_output_directions=directions if y else None,
    )
    for name, end in zip(last, ends[: len(states)], strict=False):
        _publish(writer, end, name)
    if y:
        _publish(writer, writer.join(ends[len(states) :], axis=1), y)


def _publish(writer: NodeWriter, tensor: str, name: str) -> None:
    if name:
        writer.nodes.append(helper.make_node("Identity", [tensor], [name], name=f"hoisted/{name}"))


def _projections(writer: NodeWriter, node: RecurrentNode) -> list[str]:
    """The input's part of every gate at every step, `[T, 1, B, G*H]` per direction, from one product."""
    weights = writer.constant(np.concatenate(node.weights).T, "weights")
    bias = writer.constant(np.concatenate(projection_bias(node)), "bias")
    sums = writer.add("Add", writer.add("MatMul", node.x, weights), bias)
    parts = writer.split(sums, node.directions, node.gates * node.hidden, axis=-1)
    return [writer.add("Unsqueeze", part, writer.constant([1])) for part in parts]


def _is_running(writer: NodeWriter, node: RecurrentNode) -> str:
    """Whether a step is within its row's length, `[T, 1, B, 1]`."""
    shape = writer.add("Shape", node.x)
    time = writer.add("Cast", writer.add("Gather", shape, writer.constant(np.int64(0))), to=TensorProto.INT32)
    first, stride = (writer.constant(np.int32(value)) for value in (0, 1))
    steps = writer.add("Unsqueeze", writer.add("Range", first, time, stride), writer.constant([1, 2, 3]))
    lengths = writer.add("Unsqueeze", node.lengths, writer.constant([1]))
    return writer.add("Less", steps, lengths)


def _initial_state(writer: NodeWriter, node: RecurrentNode, given: str) -> str:
    """The state given, or zeros `[D, B, H]`."""
    if given:
        return given
    rows = writer.add("Slice", writer.add("Shape", node.x), writer.constant([1]), writer.constant([2]))
    sizes = (writer.constant([size]) for size in (node.directions, node.hidden))
    shape = writer.add("Concat", next(sizes), rows, next(sizes), axis=0)
    return writer.add("Expand", writer.constant(np.zeros((1, 1, 1), np.float32)), shape)


def _body(writer: NodeWriter, node: RecurrentNode, states: int, has_outputs: bool) -> onnx.GraphProto:
    """One step of the loop: the cell, and past a row's length its state frozen and its output zero."""
    before = [writer.name("state") for _ in range(states)]
    steps = [writer.name("step") for _ in range(node.directions)]
    running = [writer.name("running") for _ in steps] if node.lengths else []
    with writer.body() as nodes:
        after = CELLS[node.operator](writer, node, writer.join(steps, axis=0), before)
        output = after[0]
        if running:
            is_running = writer.join(running, axis=0)
            after = [writer.add("Where", is_running, *pair) for pair in zip(after, before, strict=True)]
            silence = writer.constant(np.float32(0), "silence")
            output = writer.add("Where", is_running, output, silence) if has_outputs else ""
        outputs = writer.split(output, node.directions, 1, axis=0) if has_outputs else []
        # A value may leave a body once only.
        outputs = [writer.add("Identity", name) if name in after else name for name in outputs]
    inputs = [_info(name, TensorProto.FLOAT) for name in (*before, *steps)]
    inputs += [_info(name, TensorProto.BOOL) for name in running]
    ends = [_info(name, TensorProto.FLOAT) for name in (*after, *outputs)]
    return helper.make_graph(nodes, writer.name("body"), inputs, ends)


def _info(name: str, element: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, element, None)
