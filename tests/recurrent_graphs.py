"""Graphs of one or two recurrent nodes with every attribute ONNX gives them, drawn by hypothesis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from service.domain.tensors import Array

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
FUNCTIONS = {"LSTM": 3, "GRU": 2, "RNN": 1}
ACTIVATIONS = (
    "Relu", "Tanh", "Sigmoid", "Affine", "LeakyRelu", "ThresholdedRelu", "ScaledTanh", "HardSigmoid", "Elu",
    "Softsign", "Softplus",
)  # fmt: skip
WITH_ALPHA = {"Affine", "LeakyRelu", "ThresholdedRelu", "ScaledTanh", "HardSigmoid", "Elu"}
WITH_BETA = {"Affine", "ScaledTanh", "HardSigmoid"}
OPSET = 17


@dataclass(frozen=True)
class Recurrence:
    """One node: its operator, sizes, which optional inputs it has, and its attributes."""

    operator: str = "LSTM"
    hidden: int = 4
    direction: str = "forward"
    has_bias: bool = True
    has_lengths: bool = True
    has_states: bool = True
    has_peepholes: bool = False
    attributes: tuple[tuple[str, Any], ...] = ()

    @property
    def directions(self) -> int:
        return 2 if self.direction == "bidirectional" else 1


@st.composite
def recurrences(draw: st.DrawFn, is_plain: bool = False) -> Recurrence:
    """Any node; a plain one has nothing TensorRT's parser is known to get wrong."""
    operator, flag = draw(st.sampled_from(("LSTM", "LSTM", "GRU", "RNN"))), st.booleans()
    direction = draw(st.sampled_from(("forward", "reverse", "bidirectional")))
    said: dict[str, Any] = {}
    if draw(flag):
        said |= draw(_activations(FUNCTIONS[operator], 2 if direction == "bidirectional" else 1, is_plain))
    if not is_plain and draw(flag):
        said["clip"] = draw(st.sampled_from((0.2, 0.5, 3.0)))
    if operator == "LSTM" and not is_plain and draw(flag):
        said["input_forget"] = 1
    if operator == "GRU" and draw(flag):
        said["linear_before_reset"] = 1
    return Recurrence(
        operator, draw(st.integers(1, 9)), direction, draw(flag), draw(flag), draw(flag),
        operator == "LSTM" and draw(flag), tuple(said.items()),
    )  # fmt: skip


@st.composite
def _activations(draw: st.DrawFn, functions: int, directions: int, is_plain: bool) -> dict[str, Any]:
    """The same list for each direction where it is to be plain, and without what is misread."""
    known = [name for name in ACTIVATIONS if not is_plain or name not in {"Softplus", "Affine"}]
    drawn, times = (functions, directions) if is_plain else (functions * directions, 1)
    names = draw(st.lists(st.sampled_from(known), min_size=drawn, max_size=drawn))
    said: dict[str, Any] = {"activations": names * times}
    for argument, takers in (("activation_alpha", WITH_ALPHA), ("activation_beta", WITH_BETA)):
        count = sum(name in takers for name in names)
        if count and draw(st.booleans()):
            numbers = st.lists(st.sampled_from((0.1, 0.3, 0.7)), min_size=count, max_size=count)
            said[argument] = draw(numbers) * times
    return said


def graph_of(layers: list[Recurrence], features: int, seed: int) -> onnx.ModelProto:
    """The layers one on the other: inputs x, lengths and states, outputs every Y, Y_h and Y_c."""
    random = np.random.default_rng(seed)
    nodes: list[onnx.NodeProto] = []
    weights: dict[str, Array] = {"joined": np.array([0, 0, -1])}
    inputs = {"x": ["time", "batch", features]}
    outputs: dict[str, list[Any]] = {}
    source = "x"
    for index, layer in enumerate(layers):
        nodes.append(_node(layer, index, source, features, random, weights))
        if layer.has_states:
            states = nodes[-1].input[5 : 7 if layer.operator == "LSTM" else 6]
            inputs |= {name: [layer.directions, "batch", layer.hidden] for name in states}
        last = [layer.directions, "batch", layer.hidden]
        outputs |= dict.fromkeys(nodes[-1].output, last) | {nodes[-1].output[0]: ["time", *last]}
        source, features = f"joined_{index}", layer.directions * layer.hidden
        nodes.append(helper.make_node("Transpose", [nodes[-1].output[0]], [f"t_{index}"], perm=[0, 2, 1, 3]))
        nodes.append(helper.make_node("Reshape", [f"t_{index}", "joined"], [source]))
    floats = [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name, dims in inputs.items()]
    lengths = helper.make_tensor_value_info("lengths", TensorProto.INT32, ["batch"])
    graph = helper.make_graph(
        nodes,
        "recurrent",
        [*floats, *([lengths] if any(layer.has_lengths for layer in layers) else [])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name, dims in outputs.items()],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)


def _node(
    layer: Recurrence,
    index: int,
    x: str,
    features: int,
    random: np.random.Generator,
    weights: dict[str, Array],
) -> onnx.NodeProto:
    rows, directions = GATES[layer.operator] * layer.hidden, layer.directions
    shapes = {"W": (rows, features), "R": (rows, layer.hidden)}
    shapes |= {"B": (2 * rows,)} if layer.has_bias else {}
    shapes |= {"P": (3 * layer.hidden,)} if layer.has_peepholes else {}
    for name, shape in shapes.items():
        weights[f"{name}_{index}"] = random.uniform(-0.4, 0.4, (directions, *shape)).astype(np.float32)
    given = [f"{name}_{index}" if name in shapes else "" for name in "WRB"]
    states = [f"h_{index}", *([f"c_{index}"] if layer.operator == "LSTM" else [])]
    given += ["lengths" if layer.has_lengths else "", *(states if layer.has_states else [""] * len(states))]
    given += [f"P_{index}"] if layer.has_peepholes else []
    outputs = [f"{name}_{index}" for name in ("Y", "Y_h", "Y_c")[: 3 if layer.operator == "LSTM" else 2]]
    return helper.make_node(
        layer.operator, [x, *given], outputs, name=f"layer_{index}", direction=layer.direction,
        hidden_size=layer.hidden, **dict(layer.attributes),
    )  # fmt: skip


def feeds_for(model: onnx.ModelProto, steps: int, rows: int, seed: int) -> dict[str, Array]:
    """Numbers within -1 and 1, and lengths from 1 to the steps, one of them all the steps."""
    random = np.random.default_rng(seed)
    sizes = {"time": steps, "batch": rows}
    feeds = {}
    for value in model.graph.input:
        shape = [sizes.get(d.dim_param, d.dim_value) for d in value.type.tensor_type.shape.dim]
        feeds[value.name] = random.uniform(-1, 1, shape).astype(np.float32)
    if "lengths" in feeds:
        feeds["lengths"] = random.integers(1, steps + 1, rows).astype(np.int32)
        feeds["lengths"][random.integers(rows)] = steps
    return feeds


def session_of(model: bytes) -> ort.InferenceSession:
    """On one thread: the threads of a test's session would spin on the cores of other tests."""
    options = ort.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def on_onnx_runtime(model: bytes, feeds: dict[str, Array]) -> dict[str, Array]:
    """Every output by name."""
    session = session_of(model)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


def assert_equal_outputs(found: dict[str, Array], due: dict[str, Array], tolerance: float) -> None:
    """Within the tolerance of each output's largest value (of 1, where that is smaller)."""
    for name, expected in due.items():
        assert found[name].shape == expected.shape, name
        bound = tolerance * max(1.0, float(np.abs(expected).max()))
        np.testing.assert_allclose(found[name], expected, rtol=0, atol=bound, err_msg=name)
