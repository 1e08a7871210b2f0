"""A node that mixes steps or rows is refused, with its name and the reason."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_import_graphs import refusal, weights, write

LSTM = "[lstm] y, h, c = LSTM <hidden_size=3> (x, W, R, B)"
FLAT = f"{LSTM} [flat] z = Squeeze (y, one)"
NUMBERS = {
    **{name: np.array([value]) for name, value in {"zero": 0, "one": 1, "two": 2, "last": -1}.items()},
    "far": np.array([1 << 62]),
    "nothing": np.array([-(1 << 62)]),
    "third": np.array(2),
    "per_row": np.array([0, 1, 2]),
    "minus": np.float32(-1),
    "kernel": np.ones((4, 4, 3), np.float32),
    "six_steps": np.ones((6, 2), np.float32),
    "by_place": np.arange(18, dtype=np.float32).reshape(6, 1, 3),
    "three": np.array([3], np.int32),
    "apart": np.array([-1, 12]),
    "mixing": np.array([0, -1, 6]),
    "true": np.array(True),
    "half": np.float32(0.5),
    "ones": np.ones(4, np.float32),
    "uneven": np.arange(6, dtype=np.float32).reshape(1, 2, 3),
    "wide": np.zeros((1, 2, 6), np.float32),
    "table": np.ones((50, 4), np.float32),
    "begin": np.array(0),
    "by": np.array(1),
}

# name: nodes, the refused node, words of the reason
NODES = {
    "a convolution over time": (
        """[turned] t = Transpose <perm=[1, 2, 0]> (x)  [conv] s = Conv <pads=[1, 1]> (t, kernel)
        [back] u = Transpose <perm=[2, 0, 1]> (s)  y, h, c = LSTM <hidden_size=3> (u, W, R, B)""",
        "conv",
        "Conv slides over [4, time]",
    ),
    "a step missing at the front": (f"{FLAT} [cut] y1 = Slice (z, one, far, zero)", "cut", "cuts time"),
    "every second step": (f"{FLAT} [cut] y1 = Slice (z, zero, far, zero, two)", "cut", "cuts time"),
    "the third step": (
        f"{FLAT} [third_step] y1 = Gather <axis=0> (z, third)",
        "third_step",
        "only the first and the last are there in every sequence",
    ),
    "several steps": (
        f"{FLAT} [some] y1 = Gather <axis=0> (z, per_row)",
        "some",
        "selects several places of [time]",
    ),
    "one row of the batch": (
        f"{FLAT} [row] y1 = Gather <axis=1> (z, begin)",
        "row",
        "selects from [batch] by a fixed place",
    ),
    "some rows of the batch": (f"{FLAT} [rows] y1 = Slice (z, zero, one, one)", "rows", "cuts [batch]"),
    "a mean over rows": (
        f"{FLAT} [mean] y1 = ReduceMean <axes=[1]> (z)",
        "mean",
        "reduces [batch]: rows or steps would be mixed",
    ),
    "a softmax over rows": (f"{FLAT} [soft] y1 = Softmax <axis=1> (z)", "soft", "runs along [batch]"),
    "a running sum": (f"{FLAT} [sum] y1 = CumSum (z, begin)", "sum", "is not known to act on each step"),
    "rows multiplied with each other": (
        f"{FLAT} [turned] t = Transpose <perm=[0, 2, 1]> (z)  [rows] y1 = MatMul (z, t)",
        "rows",
        "combines rows with each other: [time, batch, batch]",
    ),
    "a sum over rows": (
        f"{FLAT} [turned] t = Transpose <perm=[0, 2, 1]> (z)  [rows] y1 = MatMul (t, z)",
        "rows",
        "sums over [batch] with [batch]",
    ),
    "a weight for each of six steps": (
        f"{FLAT} [turned] t = Transpose <perm=[1, 2, 0]> (z)  [weigh] y1 = MatMul (t, six_steps)",
        "weigh",
        "sums over [time] with [6]",
    ),
    "a number for each of six steps": (
        f"{FLAT} [add] y1 = Add (z, by_place)",
        "add",
        "meets [6] with [time]",
    ),
    "layer normalisation over time": (
        f"{FLAT} [turned] t = Transpose <perm=[1, 2, 0]> (z)  [norm] y1 = LpNormalization <axis=2> (t)",
        "norm",
        "runs along [time]",
    ),
    "batch normalisation in training": (
        f"{FLAT} [norm] y1, m, v = BatchNormalization <training_mode=1> (z, ones, ones, ones, ones)",
        "norm",
        "was exported in training mode",
    ),
    "batch normalisation over rows": (
        f"{FLAT} [norm] y1 = BatchNormalization (z, ones, ones, ones, ones)",
        "norm",
        "takes [batch] for the channels",
    ),
    "dropout in training": (
        f"{LSTM} [drop] y1 = Dropout (y, half, true)",
        "drop",
        "was exported in training mode",
    ),
    "dropout whose mask is read": (
        f"{LSTM} [drop] d, m = Dropout (y)  y1 = Cast <to=1> (m)",
        "drop",
        "its mask read",
    ),
    "time and features regrouped": (
        f"{FLAT} [turned] t = Transpose <perm=[1, 0, 2]> (z)  [pairs] y1 = Reshape (t, mixing)",
        "pairs",
        "regroups time so that it mixes",
    ),
    "rows joined": (f"{FLAT} [join] y1 = Concat <axis=1> (z, z)", "join", "joins or cuts along [batch]"),
    "steps joined": (f"{FLAT} [join] y1 = Concat <axis=0> (z, z)", "join", "joins or cuts along [time]"),
    "rows as features": (
        f"{FLAT} [joined] y1 = Squeeze (z, one)",
        "joined",
        "removes an axis that is [batch]",
    ),
    "lengths that are neither given nor full": (
        "[lstm] y, h, c = LSTM <hidden_size=3> (x, W, R, B, three)",
        "lstm",
        "is given lengths that are neither the lengths input nor the full length",
    ),
    "a start that differs between rows": (
        "[lstm] y, h, c = LSTM <hidden_size=3> (x, W, R, B, , uneven)",
        "lstm",
        "starts each row of the batch from a constant of its own",
    ),
    "a table of positions": (
        f"""{FLAT} shape = Shape (x)  steps = Gather (shape, begin)  [count] p = Range (begin, steps, by)
        [look] e = Gather <axis=0> (table, p)  f = Unsqueeze (e, one)  y1 = Add (z, f)""",
        "look",
        "looks a length, a position or a size of the batch up in a table",
    ),
    "the row's place as data": (
        f"""{FLAT} shape = Shape (x)  rows = Gather (shape, by)  p = Range (begin, rows, by)
        [cast] f = Cast <to=1> (p)  [column] g = Unsqueeze (f, one)  [add] y1 = Add (z, g)""",
        "add",
        "uses a row's place in the batch as data",
    ),
    "the number of rows as data": (
        f"{FLAT} shape = Shape (x)  rows = Gather (shape, by)  f = Cast <to=1> (rows)  [div] y1 = Div (z, f)",
        "div",
        "uses the number of steps or rows of the padded batch as data",
    ),
    "a branch chosen by data": (
        f"""{LSTM} s = ReduceSum <keepdims=0> (W)  m = Less (h, s)
        [choose] y1 = If (m) <then_branch = a () => (float[] p) {{ p = Identity (y) }},
        else_branch = b () => (float[] q) {{ q = Identity (y) }}>""",
        "choose",
        "chooses a branch by computed data, for all rows at once",
    ),
    "a start of another size": (
        "[lstm] y, h, c = LSTM <hidden_size=3> (x, W, R, B, , wide)",
        "lstm",
        "starts from [1, batch, 6], and [1, batch, 3] is needed",
    ),
    "a projection": (
        "[lstm] y, h, c = LSTM <hidden_size=3> (x, W, projected, B)",
        "lstm",
        "projections are not supported",
    ),
    "weights computed from the sequence": (
        "[weight] Wx = Mul (W, x)  [lstm] y, h, c = LSTM <hidden_size=3> (x, Wx, R, B)",
        "weight",
        "meets",
    ),
    "dynamic quantisation": (
        f"{FLAT} [quant] q, s, p = DynamicQuantizeLinear (z)  [back] y1 = DequantizeLinear (q, s, p)",
        "quant",
        "is not known to act on each step",
    ),
}


@pytest.mark.parametrize("name", NODES)
def test_a_node_that_mixes_steps_or_rows_is_refused_by_name(name, tmp_path):
    nodes, node, reason = NODES[name]
    constants = weights() | NUMBERS | {"projected": np.zeros((1, 12, 2), np.float32)}
    answer = "float[] y1" if "y1" in nodes else "float[] y"
    refused = refusal(write(tmp_path / "model.onnx", nodes, constants, outputs=answer))
    assert refused.node == node
    assert reason in refused.reason
    assert str(refused) == f"{node}: {refused.reason}"
