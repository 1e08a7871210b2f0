"""The checks before the queue: what passes is finite, of the model's shape and datatype, and unchanged."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from fakes import running_sum_signature
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from service.domain.sequences import checked_sequence, nested_list_array
from service.domain.signature import Readout, Signature
from service.domain.tensors import Datatype
from service.errors import CarouselError, InvalidRequest

NUMBERS = running_sum_signature()
SYMBOLS = running_sum_signature(symbols=5)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=12,
)
datatypes = st.sampled_from(
    [np.float16, np.float32, np.float64, np.int8, np.int64, np.uint64, np.bool_, "U2", object]
)
shapes = arrays.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4)


def sequence_or_refusal(values, signature) -> np.ndarray | str:
    try:
        return checked_sequence(values, signature, 3, "sequence")
    except CarouselError as refusal:
        return refusal.message


@given(json_values)
def test_any_json_is_a_finite_sequence_of_the_model_or_refused_in_words(values):
    for signature in (NUMBERS, SYMBOLS):
        try:
            array = nested_list_array(values, "sequence")
        except CarouselError:
            continue
        assert_serves_or_says_why(sequence_or_refusal(array, signature), signature)


@given(arrays.arrays(datatypes, shapes))
def test_any_array_is_a_finite_sequence_of_the_model_or_refused_in_words(values):
    for signature in (NUMBERS, SYMBOLS):
        outcome = sequence_or_refusal(values, signature)
        assert_serves_or_says_why(outcome, signature)
        if not isinstance(outcome, str):
            np.testing.assert_array_equal(outcome, values.astype(outcome.dtype))


def assert_serves_or_says_why(outcome, signature) -> None:
    if isinstance(outcome, str):
        assert outcome.startswith("sequence: ")
    else:
        assert_serves(outcome, signature)


def assert_serves(sequence, signature) -> None:
    assert sequence.dtype == signature.step_datatype.dtype
    assert sequence.shape[1:] == signature.step_shape
    assert 1 <= len(sequence) <= 3
    assert sequence.flags.c_contiguous
    assert np.isfinite(sequence).all()
    assert signature.symbol_count is None or (0 <= sequence.min() <= sequence.max() < signature.symbol_count)


@pytest.mark.parametrize("beyond", [1 << 31, -(1 << 31) - 1, 1 << 62])
def test_whole_numbers_beyond_the_datatype_are_refused_not_wrapped(beyond):
    signature = Signature(Datatype.INT32, (), (2,), Readout.LAST)
    with pytest.raises(InvalidRequest, match="sequence: step 1 is outside -2147483648 to 2147483647"):
        checked_sequence(np.array([5, beyond]), signature, 9, "sequence")


def test_a_fault_is_named_by_its_step_and_place():
    signature = Signature(Datatype.FP32, (2, 3), (2,), Readout.LAST)
    values = np.zeros((4, 2, 3))
    values[2, 1, 0] = np.inf
    with pytest.raises(InvalidRequest, match="sequence: step 2, value 1, 0 is not a finite float32 number"):
        checked_sequence(values, signature, 9, "sequence")


EDGES = [0.0, 1.0, -3.5, 1e37, 1e38, -3.4e38, 3.4028235e38, 3.5e38, 1e200, np.inf, -np.inf, np.nan, 1e-45]


@given(st.lists(st.sampled_from(EDGES), min_size=1, max_size=12))
def test_exactly_what_float32_can_hold_is_let_in(numbers):
    values = np.array(numbers)[:, None]
    with np.errstate(over="ignore"):
        due = values.astype(np.float32)
    signature = dataclasses.replace(running_sum_signature(), step_shape=(1,))
    if np.isfinite(due).all():
        np.testing.assert_array_equal(checked_sequence(values, signature, 100, "sequence"), due)
    else:
        with pytest.raises(InvalidRequest, match="is not a finite float32 number"):
            checked_sequence(values, signature, 100, "sequence")
