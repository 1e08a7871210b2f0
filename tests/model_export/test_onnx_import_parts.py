"""The arithmetic under the import: sizes known only at run time, and axes regrouped by Reshape."""

from __future__ import annotations

import operator

import numpy as np
import pytest
from drawn import examples
from hypothesis import given
from hypothesis import strategies as st

from model_export.onnx_import.axes import BATCH, TIME, Extents, axis, axis_of, broadcast, describe, extent
from model_export.onnx_import.expression import Expression, Symbol, compare
from model_export.onnx_import.folding import evaluate_sizes
from model_export.onnx_import.refusal import Unfit
from model_export.onnx_import.regroup import regroup

T, B, L, ROW, POSITION = (Expression.of(symbol) for symbol in Symbol)


@st.composite
def places(draw):
    """A batch, a row of it and a step of that row, as numbers."""
    time = draw(st.integers(1, 9))
    length = draw(st.integers(1, time))
    batch = draw(st.integers(1, 9))
    row, position = draw(st.integers(0, batch - 1)), draw(st.integers(0, length - 1))
    return dict(zip(Symbol, (time, batch, length, row, position), strict=True))


@st.composite
def expressions(draw):
    total = Expression.of(draw(st.integers(-4, 4)))
    for symbols in draw(st.lists(st.lists(st.sampled_from(Symbol), min_size=1, max_size=2), max_size=3)):
        term = Expression.of(draw(st.integers(-3, 3)))
        for symbol in symbols:
            term *= Expression.of(symbol)
        total += term
    return total


def value(expression, at):
    return sum(
        count * int(np.prod([at[symbol] for symbol in symbols])) for symbols, count in expression.terms
    )


@given(expressions(), expressions(), places())
def test_arithmetic_with_unknown_sizes_is_arithmetic(left, right, at):
    for calculate in (operator.add, operator.sub, operator.mul):
        assert value(calculate(left, right), at) == calculate(value(left, at), value(right, at))
    assert value(3 - left, at) == 3 - value(left, at)
    assert value((left * 6) // 3, at) == value(left, at) * 2


@given(expressions(), places())
def test_no_batch_goes_below_the_least(expression, at):
    assert expression.least is None or expression.least <= value(expression, at)


@examples(100)
@given(
    st.sampled_from(["Less", "LessOrEqual", "Equal", "Greater", "GreaterOrEqual"]),
    expressions(),
    expressions(),
    places(),
)
def test_a_verdict_holds_in_every_batch(comparison, left, right, at):
    verdict = compare(comparison, left, right)
    compared = {"Less": operator.lt, "LessOrEqual": operator.le, "Equal": operator.eq}
    compared |= {"Greater": operator.gt, "GreaterOrEqual": operator.ge}
    assert verdict is None or verdict == compared[comparison](value(left, at), value(right, at))


@pytest.mark.parametrize(
    ("comparison", "left", "right", "verdict"),
    [
        ("Less", POSITION, L, True),
        ("LessOrEqual", POSITION, L - 1, True),
        ("Greater", L, POSITION, True),
        ("GreaterOrEqual", POSITION, L, False),
        ("Equal", POSITION, L, False),
        ("Equal", T * B, B * T, True),
        ("Equal", POSITION, L - 1, None),
        ("Less", POSITION, 3, None),
    ],
)
def test_a_mask_of_own_steps_is_seen_to_be_one(comparison, left, right, verdict):
    assert compare(comparison, left, right) is verdict


def test_a_size_that_does_not_divide_is_refused():
    for divisor in (2, 0, T):
        with pytest.raises(Unfit, match="divides a size of the batch"):
            (T * 3) // divisor


@given(
    st.permutations([TIME, BATCH, (4,), (6,)]), st.lists(st.booleans(), min_size=3, max_size=3), st.booleans()
)
def test_whole_axes_are_joined_and_taken_apart_again(source, joints, uses_wildcard):
    groups = [list(source[0])]
    for one, is_joined in zip(source[1:], joints, strict=True):
        if is_joined:
            groups[-1].extend(one)
        else:
            groups.append(list(one))
    joined = tuple(axis(*group) for group in groups)
    target = [extent(one) for one in joined]
    if uses_wildcard:
        target[-1] = -1
    assert regroup(tuple(source), target, Extents()) == joined
    assert regroup(joined, [extent(one) for one in source], Extents()) == tuple(source)


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ((BATCH, TIME, (6,)), [T, 3, 2], None),
        ((BATCH, TIME, (6,)), [-1, 6, 1], ((*BATCH, *TIME), (6,), ())),
        ((BATCH, TIME, (6,)), [B, -1, 12], None),
        ((BATCH, TIME, (6,)), [B, T, 4, -1], None),
        ((BATCH, TIME, (6,)), [B, T, 3], None),
        ((BATCH, TIME, (6,)), [B, T], None),
        ((BATCH, TIME, (6,)), [B, T, 12], None),
        ((BATCH, (6,), TIME), [B * 2, 3, T], ((Symbol.BATCH, 2), (3,), TIME)),
        ((BATCH, TIME, (6,)), [B + T, -1], None),
        ((TIME, (2,), (8,)), [-1, 16], (TIME, (16,))),
    ],
)
def test_a_cut_through_time_or_batch_is_refused(source, target, expected):
    if expected is None:
        with pytest.raises(Unfit):
            regroup(source, target, Extents())
    else:
        assert regroup(source, target, Extents()) == expected


def test_a_size_written_for_time_is_bound_to_it():
    extents = Extents(batch=1)
    assert regroup((BATCH, TIME, (3,)), [1, 5, 3], extents) == (BATCH, TIME, (3,))
    assert extents.time == 5
    with pytest.raises(Unfit, match="fixes time to 6, and the model fixes it to 5 elsewhere"):
        extents.bind(Symbol.TIME, 6)


def test_axes_meet_only_their_like():
    assert broadcast((TIME, BATCH, (3,)), ((), (3,)), ()) == (TIME, BATCH, (3,))
    with pytest.raises(Unfit, match=r"meets \[3\] with \[batch\] on one axis"):
        broadcast((TIME, BATCH), ((3,),))
    assert describe((axis(Symbol.BATCH, 2, 3), ())) == "[batch*6, 1]"
    with pytest.raises(Unfit, match="a sum of sizes"):
        axis_of(T + 1)


def test_sizes_of_the_batch_are_computed_with_but_not_decided_by():
    sizes = np.array([T, B], dtype=object)
    assert list(evaluate_sizes("Mul", [sizes, np.array([2, 3])], {})) == [T * 2, B * 3]
    assert list(evaluate_sizes("Equal", [sizes, np.array([-1, -1])], {})) == [False, False]
    with pytest.raises(Unfit, match="the answer differs from batch to batch"):
        evaluate_sizes("Equal", [sizes, np.array([1, 1])], {})
    with pytest.raises(Unfit, match="as data"):
        evaluate_sizes("Sqrt", [sizes], {})
    with pytest.raises(Unfit, match="truth value"):
        evaluate_sizes("Cast", [sizes], {"to": 9})
