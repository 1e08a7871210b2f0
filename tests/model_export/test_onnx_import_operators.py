"""Operators around the recurrent node, one by one: each is carried over exactly."""

from __future__ import annotations

import pytest
from onnx_import_graphs import (
    COUNTED,
    NUMBERS,
    OF_X,
    OF_Z,
    PLAIN,
    SIZES,
    SORTED,
    STEPS,
    UNSORTED,
    WITH_LENGTHS,
    WITH_STATE,
    weights,
    write,
)
from onnx_import_running import check_against_the_original_alone

from model_export.onnx_import import ImportRefused, import_model

ACCEPTED = {
    "pieces of features joined": f"a, b = Split <axis=2> (x, halves)  z = Concat <axis=2> (b, a)  {OF_Z}",
    "features picked": f"a = Gather <axis=2> (x, middle)  z = Concat <axis=2> (a, a)  {OF_Z}",
    "features sliced backwards": f"z = Slice (x, back, far_back, two, back)  {OF_Z}",
    "a column of ones joined to the features": f"""{SIZES}  size = Concat <axis=0> (steps, rows, one)
        ones = ConstantOfShape <value = float[1] {{1}}> (size)  a = Slice (x, zero, three, two)
        z = Concat <axis=2> (a, ones)  {OF_Z}""",
    "sizes split, multiplied and divided": f"""shape = Shape (x)  t, b, f = Split <axis=0> (shape)
        tb = Mul (t, b)  twice = Mul (tb, two)  same = Div (twice, two)  flat = Concat <axis=0> (same, f)
        a = Reshape (x, flat)  z = Reshape (a, shape)  {OF_Z}""",
    "the size of a tensor": f"""whole = Size (x)  line = Unsqueeze (whole, zero)
        a = Reshape (x, line)  shape = Shape (x)  z = Reshape (a, shape)  {OF_Z}""",
    "numbers in the graph": f"""f = Constant <value_float = 2.0> ()
        g = Constant <value_floats = [1.0, 2.0, 3.0, 4.0]> ()  i = Constant <value_ints = [1]> ()
        j = Constant <value_int = 3> ()  k = Cast <to=1> (j)
        a = Mul (x, f)  b = Add (a, g)  d = Div (b, k)  u = Unsqueeze (d, i)  z = Squeeze (u, i)  {OF_Z}""",
    "convolution and normalisation within a step": f"""a = Reshape (x, images)
        b = InstanceNormalization (a, pair, pair)  d = Conv (b, kernel)
        shape = Shape (x)  z = Reshape (d, shape)  {OF_Z}""",
    "pooling within a step": f"""a = Reshape (x, images)  b = GlobalAveragePool (a)  d = Add (a, b)
        shape = Shape (x)  z = Reshape (d, shape)  {OF_Z}""",
    "dropout in evaluation": f"z = Dropout (x)  {OF_Z}",
    "a slope for each feature": f"z = PRelu (x, slopes)  {OF_Z}",
    "a sum over no axes": f"z = ReduceSum <noop_with_empty_axes=1> (x)  {OF_Z}",
    "a mask that is true on all steps": f"""{COUNTED}  end = Sub (count, by)  m = LessOrEqual (p, end)
        w = Cast <to=1> (m)  u = Unsqueeze (w, middle)  z = Mul (x, u)  {OF_Z}""",
    "a start joined of zeros, reshaped and turned": f"""{SIZES}  size = Concat <axis=0> (rows, one, three)
        zeros = ConstantOfShape (size)  line = Reshape (zeros, rest)
        size3 = Concat <axis=0> (one, rows, three)  turned = Transpose <perm=[1, 0, 2]> (zeros)
        h0 = Add (turned, fill)  c0 = Reshape (line, size3)
        [lstm] y, h, c = LSTM <hidden_size=3> (x, W, R, B, , h0, c0)""",
    "the last step, cut twice": f"{STEPS}  y1 = Slice (s, ends, far_ends, first_and_last_axis)",
    "one-hot numbers": f"""v = ArgMax <axis=2, keepdims=0> (x)
        z = OneHot <axis=-1> (v, four, on_off)  {OF_Z}""",
    "everything kept": f"a = Slice (x, zero, far, one)  shape = Shape (x)  z = Expand (a, shape)  {OF_Z}",
    "the last step beside each step": f"""{STEPS}  l = Slice (s, back, far, zero)  shape = Shape (s)
        e = Expand (l, shape)  y1 = Mul (s, e)""",
    "a norm over time": f"{STEPS}  y1 = ReduceL2 <axes=[0], keepdims=0> (s)",
    "a mean over time and features, kept": f"{STEPS}  y1 = ReduceMean <axes=[0, 2], keepdims=1> (s)",
    "the log of a sum of exponentials": f"{STEPS}  y1 = ReduceLogSumExp <axes=[0], keepdims=0> (s)",
}
WITH_MORE_INPUTS = {
    "lengths kept above 1": (
        WITH_LENGTHS,
        """m = Max (n, one)  d = Clip (m, by)  n32 = Cast <to=6> (d)
        y, h, c = LSTM <hidden_size=3> (x, W, R, B, n32)""",
    ),
    "lengths as numbers": (
        WITH_LENGTHS,
        """n32 = Cast <to=6> (n)  y, h, c = LSTM <hidden_size=3> (x, W, R, B, n32)  s = Squeeze (y, one)
        m = Clip (n, four)  f = Cast <to=1> (m)  u = Unsqueeze (f, one)  y1 = Div (s, u)""",
    ),
    "a state joined with zeros": (
        WITH_STATE,
        f"""{SIZES}  size = Concat <axis=0> (one, rows, three)  zeros = ConstantOfShape (size)
        both = Concat <axis=0> (h0, zeros)  a, b = Split <axis=0> (both)
        y, h, c = LSTM <hidden_size=3> (x, W, R, B, , a, b)""",
    ),
    "rows sorted with their start, and put back": (
        WITH_LENGTHS,
        f"""{SORTED}  {UNSORTED}  back_order = ScatterElements <axis=0> (z0, order, q)
        {SIZES}  size = Concat <axis=0> (one, rows, three)  zeros = ConstantOfShape (size)
        start = Gather <axis=1> (zeros, order)  xs = Gather <axis=1> (x, order)
        ys, h, c = LSTM <hidden_size=3> (xs, W, R, B, n32, start)  y = Gather <axis=2> (ys, back_order)""",
    ),
    "a start in layout 1": (
        "float[batch, time, 4] x",
        """shape = Shape (x)  rows = Gather (shape, zero)  size = Concat <axis=0> (rows, one, three)
        h0 = Expand (fill, size)  y, h, c = LSTM <hidden_size=3, layout=1> (x, W, R, B, , h0, h0)""",
    ),
}


@pytest.mark.parametrize("name", [*ACCEPTED, *WITH_MORE_INPUTS])
def test_an_operator_that_keeps_steps_and_rows_apart_is_carried_over_exactly(name, tmp_path):
    inputs, nodes = WITH_MORE_INPUTS.get(name) or (PLAIN, ACCEPTED[name])
    answer = "float[] y1" if "y1" in nodes else "float[] y"
    path = write(tmp_path / "model.onnx", nodes, weights() | NUMBERS, inputs=inputs, outputs=answer)
    check_against_the_original_alone(path, import_model(path), tmp_path)


def test_a_start_written_out_for_two_rows_is_taken_for_every_row(tmp_path):
    nodes = "[lstm] y, h, c = LSTM <hidden_size=3> (x, W, R, B, , two_rows)"
    imported = import_model(write(tmp_path / "model.onnx", nodes, weights() | NUMBERS))
    assert "the original takes exactly 2 rows, and the imported model any number" in imported.notes


def test_a_length_written_into_a_reshape_is_open_again(tmp_path):
    nodes = f"{OF_X}  [baked] y1 = Reshape (y, six_steps)"
    constants = weights() | NUMBERS
    imported = import_model(write(tmp_path / "model.onnx", nodes, constants, outputs="float[6, batch, 3] y1"))
    assert "baked: the sizes of one batch were fixed here, and now follow each batch" in imported.notes
    assert "the original takes exactly 6 steps, and the imported model any number" in imported.notes


def test_an_output_that_is_an_input_is_one_of_several_answers(tmp_path):
    path = write(tmp_path / "model.onnx", OF_X, outputs="float[] y, float[time, batch, 4] x")
    with pytest.raises(ImportRefused, match="outputs y, x: the contract has one output"):
        import_model(path)


def test_an_old_operator_without_a_successor_is_refused(tmp_path):
    nodes = f"{OF_X}  z = Scan11 (y)"
    path = write(tmp_path / "model.onnx", nodes, opset=9, outputs="float[time, one, batch, 3] z")
    with pytest.raises(ImportRefused, match="cannot be brought from operator set 9 to 13"):
        import_model(path)
