"""The new graph: nodes in the order they are written, and what the contract says at its edges."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from model_export.onnx_import.axes import Extent
from model_export.onnx_import.expression import Expression, Symbol
from model_export.onnx_import.refusal import ImportRefused
from service.domain.signature import LENGTHS, SEQUENCE
from service.domain.tensors import Array

_LEAST_IR_VERSION = 8
_AXIS = {Symbol.TIME: 0, Symbol.BATCH: 1}


class SequenceGraph:
    """Collects nodes; every tensor gets a new name, every node keeps the name it had."""

    def __init__(self, opset: int, step_element: int, step_shape: tuple[int, ...]) -> None:
        self.opset = opset
        self._names = 0
        self._nodes: list[onnx.NodeProto] = []
        self._node_names: set[str] = set()
        self._constants: dict[str, onnx.TensorProto] = {}
        self._stored: dict[int, tuple[Array, str]] = {}
        self._written: dict[object, str] = {}
        self._inputs = [
            helper.make_tensor_value_info(SEQUENCE, step_element, ["time", "batch", *step_shape]),
            helper.make_tensor_value_info(LENGTHS, TensorProto.INT32, ["batch"]),
        ]
        self._outputs: list[onnx.ValueInfoProto] = []

    def constant(self, array: Array) -> str:
        """Store an initializer, once per array; returns its name."""
        if id(array) in self._stored:
            return self._stored[id(array)][1]
        name = self._fresh("constant")
        self._constants[name] = numpy_helper.from_array(np.array(array, order="C"), name)
        # The array is kept so that its identity is not given to another one.
        self._stored[id(array)] = (array, name)
        return name

    def nodes(
        self, operator: str, *inputs: str, outputs: int, name: str = "", **attributes: Any
    ) -> list[str]:
        """Add a node; returns its outputs' names."""
        names = [self._fresh(operator.lower()) for _ in range(outputs)]
        own_name = name if name and name not in self._node_names else self._fresh(name or "added")
        self._node_names.add(own_name)
        self._nodes.append(helper.make_node(operator, _trimmed(inputs), names, name=own_name, **attributes))
        return names

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output; returns its name."""
        return self.nodes(operator, *inputs, outputs=1, **attributes)[0]

    def once(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """As `node`, but the same node is written only the first time."""
        key = (operator, inputs, tuple(sorted(attributes.items())))
        if key not in self._written:
            self._written[key] = self.node(operator, *inputs, **attributes)
        return self._written[key]

    def vector(self, *numbers: int) -> str:
        """A constant int64 vector; the same numbers give the same initializer."""
        key = ("vector", numbers)
        if key not in self._written:
            self._written[key] = self.constant(np.array(numbers, dtype=np.int64))
        return self._written[key]

    def sizes(self, entries: list[Extent]) -> str:
        """An int64 vector of numbers and of sizes known at run time."""
        if all(isinstance(entry, int) for entry in entries):
            return self.vector(*(int(entry) for entry in entries if isinstance(entry, int)))
        pieces = [self.size(entry) for entry in entries]
        return pieces[0] if len(pieces) == 1 else self.once("Concat", *pieces, axis=0)

    def size(self, entry: Extent) -> str:
        """One number or size, as an int64 vector of one."""
        terms = [self._term(*term) for term in sorted(Expression.of(entry).terms)] or [self.vector(0)]
        total = terms[0]
        for term in terms[1:]:
            total = self.once("Add", total, term)
        return total

    def _term(self, monomial: tuple[Symbol, ...], coefficient: int) -> str:
        total = self.vector(coefficient) if coefficient != 1 or not monomial else ""
        for symbol in monomial:
            shape = self.once("Shape", SEQUENCE)
            factor = self.once("Gather", shape, self.vector(_AXIS[symbol]), axis=0)
            total = self.once("Mul", total, factor) if total else factor
        return total

    def declare_input(self, name: str, shape: tuple[int, ...]) -> None:
        """Declare a state `[batch, *shape]`."""
        self._inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape]))

    def publish(self, tensor: str, name: str, shape: list[Any]) -> None:
        """Give a tensor its name as an output."""
        self._nodes.append(helper.make_node("Identity", [tensor], [name], name=f"publish_{name}"))
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def model(self, ir_version: int) -> onnx.ModelProto:
        """The finished model without the nodes nobody reads, checked against the ONNX specification."""
        nodes = _read_nodes(self._nodes, {output.name for output in self._outputs})
        read = {name for node in nodes for name in node.input}
        constants = [tensor for name, tensor in self._constants.items() if name in read]
        graph = helper.make_graph(nodes, "imported", self._inputs, self._outputs, constants)
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", self.opset)],
            ir_version=max(ir_version, _LEAST_IR_VERSION),
            producer_name="carousel",
        )
        try:
            onnx.checker.check_model(model, full_check=True)
        except Exception as failure:
            reason = f"its nodes do not form a valid graph: {str(failure).strip().splitlines()[0]}"
            raise ImportRefused("imported model", reason) from failure
        return model

    def _fresh(self, hint: str) -> str:
        self._names += 1
        return f"{hint}_{self._names}"


def _trimmed(inputs: tuple[str, ...]) -> list[str]:
    names = list(inputs)
    while names and not names[-1]:
        names.pop()
    return names


def _read_nodes(nodes: list[onnx.NodeProto], wanted: set[str]) -> list[onnx.NodeProto]:
    """The nodes that lead to `wanted`, in their order."""
    kept: list[onnx.NodeProto] = []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(node.input)
    return kept[::-1]
