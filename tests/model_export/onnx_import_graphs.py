"""Small ONNX graphs written as text, with random weights for the names they use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from model_export.onnx_import import ImportRefused, import_model

FEATURES, HIDDEN = 4, 3
SEQUENCE = "float[time, batch, 4] x"
OF_X = "[lstm] y, h, c = LSTM <hidden_size=3> (x, W, R, B)"
OF_Z = "[lstm] y, h, c = LSTM <hidden_size=3> (z, W, R, B)"
STEPS = f"{OF_X}  s = Squeeze (y, one)"
SIZES = "shape = Shape (x)  steps = Gather (shape, zero)  rows = Gather (shape, one)"
COUNTED = f"{SIZES}  count = Squeeze (steps)  p = Range (begin, count, by)"
SORTED = """n64 = Cast <to=7> (n)  whole = Shape (n)
    longest, order = TopK (n64, whole)  n32 = Cast <to=6> (longest)"""
UNSORTED = (
    "r = Squeeze (whole)  q = Range (begin, r, by)  z0 = ConstantOfShape <value = int64[1] {0}> (whole)"
)
PLAIN = "float[time, batch, 4] x"
WITH_LENGTHS = f"{PLAIN}, int64[batch] n"
WITH_STATE = f"{PLAIN}, float[1, batch, 3] h0"

FAR = 1 << 40
NUMBERS = {
    **{name: np.array([value]) for name, value in {"zero": 0, "one": 1, "two": 2, "three": 3}.items()},
    **{
        name: np.array([value])
        for name, value in {"back": -1, "far": FAR, "far_back": -FAR, "rest": -1}.items()
    },
    "begin": np.array(0),
    "by": np.array(1),
    "four": np.array(4),
    "halves": np.array([2, 2]),
    "images": np.array([-1, 2, 2]),
    "middle": np.array([1, 2]),
    "ends": np.array([-1, 0]),
    "far_ends": np.array([FAR, 2]),
    "first_and_last_axis": np.array([0, 2]),
    "pair": np.ones(2, np.float32),
    "kernel": np.ones((2, 2, 1), np.float32),
    "wide": np.ones((2, 2, 9), np.float32),
    "fill": np.full((1, 1, 3), 0.25, np.float32),
    "slopes": np.array([0.1, 0.2, 0.3, 0.4], np.float32),
    "two_rows": np.full((1, 2, 3), 0.5, np.float32),
    "square": np.eye(3, dtype=np.float32),
    "on_off": np.array([0, 1], np.float32),
    "small": np.float32(0.1),
    "zero8": np.int8(0),
    "scales": np.full(3, 0.1, np.float32),
    "zeros8": np.zeros(3, np.int8),
    "half": np.array([1.5], np.float32),
    "flat3": np.array([-1, 3]),
    "back1": np.array(-1),
    "twice": np.array([1, 1, 2]),
    "rising": np.arange(3, dtype=np.float32).reshape(1, 1, 3),
    "six_steps": np.array([6, -1, 3]),
}


def weights(gates: int = 4, directions: int = 1, hidden: int = HIDDEN, features: int = FEATURES):
    """W, R and B of a recurrent node, and peepholes P of an LSTM."""
    generator = np.random.default_rng(gates + directions)

    def draw(*shape):
        return generator.uniform(-0.8, 0.8, shape).astype(np.float32)

    return {
        "W": draw(directions, gates * hidden, features),
        "R": draw(directions, gates * hidden, hidden),
        "B": draw(directions, 2 * gates * hidden),
        "P": draw(directions, 3 * hidden),
    }


def write(
    path: Path,
    nodes: str,
    constants: dict[str, np.ndarray] | None = None,
    *,
    inputs: str = SEQUENCE,
    outputs: str = "float[time, directions, batch, 3] y",
    opset: int = 17,
    domains: str = "",
) -> Path:
    """A model of these nodes; constants that no node reads are left out."""
    header = f'<ir_version: 8, opset_import: ["": {opset}{domains}]>'
    model = onnx.parser.parse_model(f"{header} graph ({inputs}) => ({outputs}) {{ {nodes} }}")
    read = {name for node in model.graph.node for name in node.input}
    given = weights() if constants is None else constants
    tensors = [numpy_helper.from_array(array, name) for name, array in given.items() if name in read]
    model.graph.initializer.extend(tensors)
    onnx.save(model, path)
    return path


def refusal(path, **options):
    with pytest.raises(ImportRefused) as caught:
        import_model(path, **options)
    return caught.value
