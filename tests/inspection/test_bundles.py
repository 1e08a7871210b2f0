"""The bundles in models/: what their gates are said to do is what the formulas say, written out once more."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from recurrent_graphs import on_onnx_runtime

from service.errors import DeadlineExceeded, InvalidRequest
from service.inspection.inspected_model import InspectedModel
from service.repository.golden import read_golden
from service.repository.scanner import read_bundle

MODELS = Path(__file__).parents[2] / "models"
ALL = sorted(folder / "1" for folder in MODELS.iterdir())
WITH_LAYERS = [folder for folder in ALL if folder.parent.name != "winds"]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def recomputed(node: onnx.NodeProto, known, place: int):
    """One direction of an LSTM node with ONNX's default activations, in float64."""
    x = known[node.input[0]][:, 0].astype(np.float64)
    w, r, b = (known[name][place].astype(np.float64) for name in node.input[1:4])
    p = known[node.input[7]][place] if len(node.input) > 7 else np.zeros(3 * r.shape[1])
    (p_i, p_o, p_f), hidden = p.astype(np.float64).reshape(3, -1), r.shape[1]
    h, c, did = np.zeros(hidden), np.zeros(hidden), {}
    for step in range(len(x))[:: -1 if place else 1]:
        i, o, f, g = (w @ x[step] + r @ h + b.reshape(2, -1).sum(axis=0)).reshape(4, hidden)
        i, f, g = sigmoid(i + p_i * c), sigmoid(f + p_f * c), np.tanh(g)
        c = f * c + i * g
        o = sigmoid(o + p_o * c)
        h = o * np.tanh(c)
        did[step] = {"input": i, "forget": f, "output": o, "candidate": g, "cell": c, "hidden": h}
    return {name: np.stack([did[step][name] for step in range(len(x))]) for name in did[0]}


@pytest.mark.parametrize("folder", WITH_LAYERS, ids=lambda folder: folder.parent.name)
def test_gates_and_cells_are_those_of_the_formulas(folder):
    sequence, due = read_golden(folder).sequences[-1], read_golden(folder).outputs[-1]
    bundle = read_bundle(folder)
    inspection = InspectedModel(bundle.artifact).inspect(sequence, lambda: None)
    np.testing.assert_allclose(inspection.output, due, rtol=0, atol=bundle.manifest.tolerance.reference)
    assert inspection.hidden_difference < 1e-5
    assert inspection.others == ()

    model = onnx.load(folder / "model.onnx")
    nodes = [node for node in model.graph.node if node.op_type == "LSTM"]
    known = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    model.graph.output.extend(onnx.ValueInfoProto(name=node.input[0]) for node in nodes)
    known |= on_onnx_runtime(model.SerializeToString(), fed(bundle, sequence))
    assert [layer.layer.outputs["Y"] for layer in inspection.layers] == [node.output[0] for node in nodes]
    for layer, node in zip(inspection.layers, nodes, strict=True):
        for place, did in enumerate(layer.directions):
            for name, values in recomputed(node, known, place).items():
                np.testing.assert_allclose(did[name], values, rtol=0, atol=1e-9, err_msg=name)


def fed(bundle, sequence):
    signature = bundle.manifest.signature
    states = {state.input: np.zeros((1, *state.shape), np.float32) for state in signature.states}
    lengths = np.array([len(sequence)], np.int32)
    return {"sequence": sequence[:, None].astype(signature.step_datatype.dtype), "lengths": lengths} | states


def test_a_model_without_such_a_node_is_refused_with_what_it_has_instead():
    with pytest.raises(InvalidRequest, match=r"^model: only LSTM, GRU and RNN nodes .*: Scan_\d+ \(Scan\)$"):
        InspectedModel(read_bundle(MODELS / "winds" / "1").artifact)


def test_an_inspection_ends_where_its_check_says_so():
    folder = MODELS / "digits" / "1"
    steps_left = iter([None, None, None])

    def check() -> None:
        if next(steps_left, "over") == "over":
            raise DeadlineExceeded("late")

    with pytest.raises(DeadlineExceeded, match="late"):
        InspectedModel(read_bundle(folder).artifact).inspect(read_golden(folder).sequences[0], check)


def test_moby_forgets_where_a_word_is_over_as_the_page_says():
    bundle, text = read_bundle(MODELS / "moby" / "1"), "Call me Ishmael. Some years ago"
    sequence = np.array([bundle.manifest.step.symbols.index(symbol) for symbol in text], np.int32)
    first, _ = InspectedModel(bundle.artifact).inspect(sequence, lambda: None).layers
    forget = first.directions[0]["forget"].mean(axis=1)
    is_over = np.array([symbol in " ." for symbol in text])
    assert forget[is_over].max() < 0.34
    assert forget[~is_over].min() > 0.44
