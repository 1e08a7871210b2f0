"""Operators that cannot be made exact are refused, with the node and the reason."""

from __future__ import annotations

import pytest
from onnx_import_graphs import (
    COUNTED,
    NUMBERS,
    OF_X,
    OF_Z,
    PLAIN,
    SIZES,
    STEPS,
    weights,
    write,
)

from model_export.onnx_import import ImportRefused, import_model

REFUSED = {
    "a running sum of constants": (
        "[odd] w = Nonsense (W)  y, h, c = LSTM (x, w, R)",
        "odd",
        "cannot be computed",
    ),
    "a table cut at the number of steps": (
        f"{SIZES}  [cut] a = Slice (slopes, zero, steps)  z = Mul (x, a)  {OF_Z}",
        "cut",
        "at a place that depends on the size of the batch",
    ),
    "features cut away": (f"[cut] z = Slice (x, two, two, two)  {OF_Z}", "cut", "leaves no features"),
    "a cut at a computed place": (
        f"v = ArgMax <axis=2> (x)  [cut] z = Slice (x, v, two, two)  {OF_Z}",
        "cut",
        "input 1 is computed from the sequence, and only a constant is supported there",
    ),
    "pieces as long as the batch": (
        f"{SIZES}  [split] z = Split <axis=2> (x, rows)  {OF_Z}",
        "split",
        "input 1 depends on the size of the batch",
    ),
    "a number without value": (
        f'[text] a = Constant <value_string = "a"> ()  {STEPS}  y1 = Add (s, a)',
        "text",
        "holds a value_string",
    ),
    "positions counted from 1": (
        f"""{SIZES}  count = Squeeze (steps)  [count] p = Range (by, count, by)  f = Cast <to=1> (p)
        u = Unsqueeze (f, middle)  z = Mul (x, u)  {OF_Z}""",
        "count",
        "counts to something other than the number of steps or of rows",
    ),
    "features repeated": (
        f"[again] z = Tile (x, twice)  {OF_Z}",
        "again",
        "repeats an axis that is longer than 1",
    ),
    "steps picked by a number of their own": (
        f"{STEPS}  v = ArgMax <axis=2> (s)  [pick] y1 = GatherElements <axis=0> (s, v)",
        "pick",
        "not each row's own last step",
    ),
    "rows of a flat tensor picked": (
        f"""{STEPS}  a = Reshape (s, flat3)  v = ArgMax <axis=2, keepdims=0> (s)  l = Reshape (v, rest)
        [pick] y1 = Gather <axis=0> (a, l)""",
        "pick",
        "by computed numbers",
    ),
    "largest of whole numbers over time": (
        f"{STEPS}  v = ArgMax <axis=2> (s)  [pool] y1 = ReduceMax <axes=[0]> (v)",
        "pool",
        "pools INT64 over time, where only FLOAT is supported",
    ),
    "the step with the largest number": (
        f"{STEPS}  [best] y1 = ArgMax <axis=0> (s)",
        "best",
        "searches [time]",
    ),
    "the largest features": (
        f"{STEPS}  [top] y1, i = TopK (s, one)",
        "top",
        "ranks numbers other than the lengths",
    ),
    "one-hot of computed size": (
        f"v = ArgMax <axis=2, keepdims=0> (x)  [hot] z = OneHot <axis=-1> (v, four, v)  {OF_Z}",
        "hot",
        "depth or values that are not constant",
    ),
    "written to places": (
        f"{STEPS}  v = ArgMax <axis=2> (s)  [write] y1 = ScatterElements <axis=0> (s, v, s)",
        "write",
        "writes to computed places",
    ),
    "sizes reduced": (
        f"shape = Shape (x)  [most] m = ReduceMax (shape)  z = Reshape (x, m)  {OF_Z}",
        "most",
        "sizes",
    ),
    "sizes in a table": (
        f"{SIZES}  row = Unsqueeze (rows, zero)  f = Cast <to=1> (row)  [add] z = Add (x, f)  {OF_Z}",
        "add",
        "padded batch as data",
    ),
    "a start computed from constants": (
        f"""{SIZES}  size = Concat <axis=0> (one, rows, three)  zeros = ConstantOfShape (size)
        [mul] h0 = MatMul (zeros, square)  y, h, c = LSTM <hidden_size=3> (x, W, R, B, , h0)""",
        "mul",
        "computes with constants that are repeated for each row",
    ),
    "pooling with places": (
        f"""a = Reshape (x, images)  [pool] b, i = MaxPool <kernel_shape=[1]> (a)
        shape = Shape (x)  z = Reshape (b, shape)  {OF_Z}""",
        "pool",
        "has more than one output",
    ),
    "reversed rows": (
        f"""{SIZES}  n = Expand (rows, steps)
        [turn] z = ReverseSequence <time_axis=1, batch_axis=0> (x, n)  {OF_Z}""",
        "turn",
        "reverses [batch] by [time]",
    ),
    "a scale for each row": (
        f"""{STEPS}  [scale] q = QuantizeLinear <axis=1> (s, scales, zeros8)
        y1 = DequantizeLinear (q, small, zero8)""",
        "scale",
        "has a scale along [batch]",
    ),
    "a vector times steps": (
        f"{STEPS}  [mul] y1 = MatMul (slopes, s)",
        "mul",
        "multiplies a vector from the left",
    ),
    "a matrix added too large": (
        f"{STEPS}  l = Gather <axis=0> (s, back1)  [gemm] y1 = Gemm (l, square, s)",
        "gemm",
        "adds [time, batch, 3] to [batch, 3]",
    ),
    "unequal axes joined": (
        f"{STEPS}  l = Slice (s, back, far, zero)  [join] y1 = Concat <axis=2> (s, l)",
        "join",
        "joins tensors of axes [1, batch, 3] and [time, batch, 3]",
    ),
    "one row of a constant": (
        f"""{SIZES}  size = Concat <axis=0> (one, rows, three)  zeros = ConstantOfShape (size)
        [pick] a = Gather <axis=1> (zeros, zero)  y, h, c = LSTM <hidden_size=3> (x, W, R, B, , a)""",
        "pick",
        "selects from time or batch by a fixed place",
    ),
    "an operator newer than its set": (
        f"{OF_X}  [gelu] y1 = Gelu (y)",
        "imported model",
        "do not form a valid graph",
    ),
    "a constant regrouped by rows": (
        f"""{SIZES}  size = Concat <axis=0> (one, rows, three)
        a = Expand (rising, size)  b = Reshape (a, rest)
        y, h, c = LSTM <hidden_size=3> (x, W, R, B, , b)""",
        "Reshape (b)",
        "merges features of a constant with time or batch",
    ),
    "a constant searched": (
        f"""{SIZES}  size = Concat <axis=0> (steps, rows, three)  ones = ConstantOfShape (size)
        [best] v = ArgMax <axis=2> (ones)  f = Cast <to=1> (v)  {STEPS}  y1 = Add (s, f)""",
        "best",
        "is only supported on what is computed from the sequence, and input 0 is constant",
    ),
    "a kernel wider than the step": (
        f"""a = Reshape (x, images)  [conv] b = Conv (a, wide)
        shape = Shape (x)  z = Reshape (b, shape)  {OF_Z}""",
        "conv",
        "has a result of unknown shape",
    ),
    "steps weighed by a constant": (
        f"""{STEPS}  t = Transpose <perm=[1, 2, 0]> (s)  {SIZES}  size = Concat <axis=0> (steps, two)
        ones = ConstantOfShape (size)  [weigh] y1 = MatMul (t, ones)""",
        "weigh",
        "weighs steps by their place",
    ),
    "the mean of positions": (
        f"{COUNTED}  f = Cast <to=1> (p)  [mean] m = ReduceMean <keepdims=0> (f)  z = Mul (x, m)  {OF_Z}",
        "mean",
        "needs time and batch as axes of their own, and has [time]",
    ),
    "weights left out": ("[lstm] y, h, c = LSTM <hidden_size=3> (x, , R)", "lstm", "has no input 1"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_operator_that_mixes_steps_or_rows_is_refused_by_name(name, tmp_path):
    nodes, node, reason = REFUSED[name]
    answer = "float[] y1" if "y1" in nodes else "float[] y"
    constants = weights() | NUMBERS
    path = write(tmp_path / "model.onnx", nodes, constants, inputs=PLAIN, outputs=answer)
    with pytest.raises(ImportRefused) as refused:
        import_model(path)
    assert refused.value.node == node
    assert reason in refused.value.reason
