"""States, lengths and orders of rows used for what they are not are refused, with the node and the reason."""

from __future__ import annotations

import pytest
from onnx_import_graphs import (
    NUMBERS,
    PLAIN,
    SORTED,
    STEPS,
    WITH_LENGTHS,
    WITH_STATE,
    weights,
    write,
)

from model_export.onnx_import import ImportRefused, import_model

REFUSED = {
    "a start of other axes": (
        PLAIN,
        "[lstm] y, h, c = LSTM <hidden_size=3> (x, W, R, B, , x)",
        "lstm",
        "starts from [time, batch, 4], and [1, batch, 3] is needed",
    ),
    "half precision inside": (
        PLAIN,
        "a = Cast <to=10> (x)  [lstm] y, h, c = LSTM <hidden_size=3> (a, W, R, B)",
        "lstm",
        "computes in FLOAT16; ONNX Runtime on a CPU computes it in FLOAT",
    ),
    "a state as data": (
        WITH_STATE,
        "y, h, c = LSTM <hidden_size=3> (x, W, R, B, , h0)  [add] y1 = Add (y, h0)",
        "add",
        "uses a state, or an order of rows, as data",
    ),
    "a state multiplied": (
        WITH_STATE,
        "[mul] a = MatMul (h0, square)  y, h, c = LSTM <hidden_size=3> (x, W, R, B, , a)",
        "mul",
        "uses a state, or an order of rows, as data",
    ),
    "a state as bias": (WITH_STATE, "[lstm] y, h, c = LSTM (x, W, R, h0, , h0)", "lstm", "uses a state"),
    "open features that no weight fits": (
        "float[time, batch, features] x",
        f"{STEPS}  [sum] y1 = CumSum (s, begin)",
        "sum",
        "is not known to act on each step of each row by itself",
    ),
    "the shape of a piece of a state": (
        WITH_STATE,
        """a = Identity (h0)  [shape] s = Shape (a)  b = ConstantOfShape (s)
        y, h, c = LSTM <hidden_size=3> (x, W, R, B, , a, b)""",
        "shape",
        "asks for the shape of a piece of a state",
    ),
    "an order as a start": (
        WITH_LENGTHS,
        f"{SORTED}  [lstm] y, h, c = LSTM <hidden_size=3> (x, W, R, B, n, order)",
        "lstm",
        "starts from an order of rows",
    ),
    "a number of each row that is no length": (
        WITH_LENGTHS,
        f"{STEPS}  f = Cast <to=1> (n)  u = Unsqueeze (f, one)  y1 = Div (s, u)",
        "input n",
        "holds a whole number for each row, and is not used as its length",
    ),
    "sorted twice": (
        WITH_LENGTHS,
        f"""{SORTED}  a = Gather <axis=1> (x, order)  [again] b = Gather <axis=1> (a, order)
        y, h, c = LSTM <hidden_size=3> (b, W, R, B, n32)""",
        "again",
        "sorts rows that are sorted",
    ),
    "steps sorted by an order of rows": (
        WITH_LENGTHS,
        f"{SORTED}  [steps] a = Gather <axis=0> (x, order)  y, h, c = LSTM <hidden_size=3> (a, W, R, B)",
        "steps",
        "uses an order of rows on an axis that is not the batch",
    ),
    "sorted rows beside unsorted ones": (
        WITH_LENGTHS,
        f"""{SORTED}  a = Gather <axis=1> (x, order)  [add] b = Add (a, x)
        y, h, c = LSTM <hidden_size=3> (b, W, R, B, n32)""",
        "add",
        "combines rows in order of length with rows in their own order",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_state_or_an_order_used_as_data_is_refused_by_name(name, tmp_path):
    inputs, nodes, node, reason = REFUSED[name]
    answer = "float[] y1" if "y1" in nodes else "float[] y"
    constants = weights() | NUMBERS
    path = write(tmp_path / "model.onnx", nodes, constants, inputs=inputs, outputs=answer)
    with pytest.raises(ImportRefused) as refused:
        import_model(path)
    assert refused.value.node == node
    assert reason in refused.value.reason
