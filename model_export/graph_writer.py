"""Writes ONNX in the sequence-graph contract, node by node.

torch's exporters freeze time or lose lengths for recurrent modules; these graphs are small and
fully known, so they are written out and then compared with PyTorch (parity.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from service.domain.signature import LENGTHS, OUTPUT, SEQUENCE, Readout, StateSpec
from service.domain.tensors import Array, Datatype, Shape

OPSET = 17
IR_VERSION = 8

_ELEMENT = {
    Datatype.FP32: TensorProto.FLOAT,
    Datatype.FP64: TensorProto.DOUBLE,
    Datatype.INT32: TensorProto.INT32,
    Datatype.INT64: TensorProto.INT64,
}


class GraphWriter:
    """One sequence graph in the making; every tensor is known by its name."""

    def __init__(self, name: str, step_datatype: Datatype, step_shape: Shape) -> None:
        self._name = name
        self._names = 0
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._states: list[StateSpec] = []
        self._inputs = [
            helper.make_tensor_value_info(SEQUENCE, _ELEMENT[step_datatype], ["time", "batch", *step_shape]),
            helper.make_tensor_value_info(LENGTHS, TensorProto.INT32, ["batch"]),
        ]
        self._outputs: list[onnx.ValueInfoProto] = []
        self.sequence = SEQUENCE
        self.lengths = LENGTHS

    def constant(self, array: Array | float | list[int], hint: str = "constant") -> str:
        """Store an initializer; float64 becomes float32. Returns its name."""
        value = np.array(array, order="C")
        if value.dtype == np.float64:
            value = value.astype(np.float32)
        name = self._fresh(hint)
        self._constants[name] = numpy_helper.from_array(value, name)
        return name

    def nodes(self, operator: str, *inputs: str, outputs: int, **attributes: Any) -> list[str]:
        """Add a node with several outputs; returns their names."""
        names = [self._fresh(operator.lower()) for _ in range(outputs)]
        self._nodes.append(
            helper.make_node(operator, list(inputs), names, name=f"{operator}_{self._names}", **attributes)
        )
        return names

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output; returns its name."""
        return self.nodes(operator, *inputs, outputs=1, **attributes)[0]

    def scan(self, carried: list[str], steps: str, body: Callable[[list[str], str], list[str]]) -> list[str]:
        """Apply `body(carried, step)` along the first axis of `steps`; returns what the last one carries on.

        Everything is FP32. The body writes its nodes here as usual and may use any tensor around it.
        """
        inner, step = [self._fresh("carried") for _ in carried], self._fresh("step")
        around, self._nodes = self._nodes, []
        results = body(inner, step)
        nodes, self._nodes = self._nodes, around
        inputs, ends = (
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names]
            for names in ([*inner, step], results)
        )
        graph = helper.make_graph(nodes, self._fresh("body"), inputs, ends)
        return self.nodes("Scan", *carried, steps, outputs=len(carried), body=graph, num_scan_inputs=1)

    def unsqueeze(self, tensor: str, axis: int) -> str:
        return self.node("Unsqueeze", tensor, self.constant(np.array([axis]), "axes"))

    def squeeze(self, tensor: str, axis: int) -> str:
        return self.node("Squeeze", tensor, self.constant(np.array([axis]), "axes"))

    def state(self, name: str, shape: Shape) -> str:
        """Declare a state `[batch, *shape]`; returns the input's name. Its output is due: see new_state."""
        spec = StateSpec(f"{name}_in", f"{name}_out", shape)
        self._states.append(spec)
        self._inputs.append(helper.make_tensor_value_info(spec.input, TensorProto.FLOAT, ["batch", *shape]))
        return spec.input

    def new_state(self, name: str, tensor: str) -> None:
        """Give a declared state its value after the batch."""
        spec = next(state for state in self._states if state.input == f"{name}_in")
        self._publish(tensor, spec.output, ["batch", *spec.shape])

    def output(self, tensor: str, readout: Readout, shape: Shape) -> None:
        """Name the graph's output: `[batch, *shape]` for last, `[time, batch, *shape]` for every_step."""
        leading = ["batch"] if readout is Readout.LAST else ["time", "batch"]
        self._publish(tensor, OUTPUT, [*leading, *shape])

    def model(self) -> onnx.ModelProto:
        """The finished model, checked against the ONNX specification."""
        graph = helper.make_graph(
            self._nodes, self._name, self._inputs, self._outputs, list(self._constants.values())
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="carousel",
        )
        onnx.checker.check_model(model, full_check=True)
        return model

    def _publish(self, tensor: str, name: str, shape: list[Any]) -> None:
        self._nodes.append(helper.make_node("Identity", [tensor], [name], name=f"publish_{name}"))
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def _fresh(self, hint: str) -> str:
        self._names += 1
        return f"{hint}_{self._names}"
