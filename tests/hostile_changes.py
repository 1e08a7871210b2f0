"""A small sequence graph, and ways to change it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from service.domain.signature import Readout, Signature
from service.domain.tensors import Datatype

SIGNATURE = Signature(Datatype.FP32, (2,), (2,), Readout.EVERY_STEP)
SEQUENCE = ["time", "batch", 2]


def honest_model() -> onnx.ModelProto:
    """Adds a weight to every step."""
    graph = helper.make_graph(
        [helper.make_node("Add", ["sequence", "w"], ["output"], name="add")],
        "honest",
        [
            helper.make_tensor_value_info("sequence", TensorProto.FLOAT, SEQUENCE),
            helper.make_tensor_value_info("lengths", TensorProto.INT32, ["batch"]),
        ],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, SEQUENCE)],
        [numpy_helper.from_array(np.array([1, 2], np.float32), "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def located(location: str, **entries: str) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        weight = model.graph.initializer[0]
        weight.ClearField("raw_data")
        weight.data_location = TensorProto.EXTERNAL
        for key, value in {"location": location, **entries}.items():
            weight.external_data.add(key=key, value=value)

    return change


def weight_with(**fields: object) -> Callable[[onnx.ModelProto], None]:
    """Some fields of the weight replaced."""

    def change(model: onnx.ModelProto) -> None:
        weight = model.graph.initializer[0]
        for name, value in fields.items():
            weight.ClearField(name)
            if isinstance(value, list):
                getattr(weight, name).extend(value)
            elif value is not None:
                setattr(weight, name, value)

    return change


def one_more(operator: str, *inputs: str, **attributes: object) -> Callable[[onnx.ModelProto], None]:
    """One more node, its numbers given as text: `Range(0, 9, 1)`."""

    def change(model: onnx.ModelProto) -> None:
        names = [f"size{place}" for place in range(len(inputs))]
        for name, given in zip(names, inputs, strict=True):
            numbers = np.array(eval(given))  # noqa: S307 - the numbers of the table below
            model.graph.initializer.append(numpy_helper.from_array(numbers, name))
        model.graph.node.append(helper.make_node(operator, names, ["more"], name="bad", **attributes))

    return change


def nested(depth: int) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        graph = helper.make_graph([], "innermost", [], [])
        for _ in range(depth):
            node = helper.make_node("If", ["c"], [], then_branch=graph)
            graph = helper.make_graph([node], "around", [], [])
        model.graph.node.extend(graph.node)

    return change


def further_opset(domain: str, version: int) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        model.opset_import.append(helper.make_opsetid(domain, version))

    return change


def own_opset(version: int) -> Callable[[onnx.ModelProto], None]:
    return lambda model: setattr(model.opset_import[0], "version", version)


def typed(part: str, place: int, dims: list[object], element: int) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        value = getattr(model.graph, part)[place]
        value.CopyFrom(helper.make_tensor_value_info(value.name, element, dims))

    return change


def calls_itself(model: onnx.ModelProto) -> None:
    """One that calls itself."""
    node = helper.make_node("again", ["x"], ["y"], domain="local")
    model.functions.append(
        helper.make_function("local", "again", ["x"], ["y"], [node], [helper.make_opsetid("", 17)])
    )


def custom(model: onnx.ModelProto) -> None:
    further_opset("com.microsoft", 1)(model)
    model.graph.node.append(helper.make_node("EPContext", [], ["more"], name="bad", domain="com.microsoft"))


def twin_attribute(model: onnx.ModelProto) -> None:
    node = helper.make_node("Concat", ["sequence"], ["more"], name="bad", axis=0)
    node.attribute.append(node.attribute[0])
    model.graph.node.append(node)


def sparse(model: onnx.ModelProto) -> None:
    values = numpy_helper.from_array(np.ones(1, np.float32), "sparse")
    places = numpy_helper.from_array(np.zeros(1, np.int64))
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, [1 << 40]))


def constant_twice_removed(model: onnx.ModelProto) -> None:
    value = numpy_helper.from_array(np.array([1 << 40]))
    model.graph.node.extend(
        [
            helper.make_node("Constant", [], ["c"], value=value),
            helper.make_node("Identity", ["c"], ["d"]),
            helper.make_node("ConstantOfShape", ["d"], ["more"], name="bad"),
        ]
    )


def constant_of_an_outer_graph(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.array([1 << 40]), "far"))
    inner = helper.make_graph([helper.make_node("ConstantOfShape", ["far"], ["z"], name="bad")], "in", [], [])
    model.graph.node.append(helper.make_node("If", ["c"], [], then_branch=inner))


def torn_constant(model: onnx.ModelProto) -> None:
    value = numpy_helper.from_array(np.array([1]), "torn")
    value.raw_data = b"123"
    model.graph.node.append(helper.make_node("Constant", [], ["c"], name="bad", value=value))
