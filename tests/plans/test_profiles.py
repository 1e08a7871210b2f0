"""Profiles: everything a scheduler may send is taken, and padded no further than stated."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from service.domain.signature import Readout, Signature, StateSpec
from service.domain.tensors import Datatype
from service.errors import InvalidRequest
from service.plans.profiles import (
    BatchBounds,
    Profile,
    Range,
    bounds_of,
    choose_profiles,
    in_order,
    parse_profile,
    profile_for,
    profiles_for,
)

lengths = st.lists(st.one_of(st.integers(1, 40), st.integers(1, 5000)), min_size=1, max_size=60)
bounds = st.builds(BatchBounds, st.integers(1, 2048), st.integers(1, 40_000), st.integers(1, 100_000))


@st.composite
def ranges(draw):
    return Range(*sorted(draw(st.tuples(*[st.integers(1, 10_000)] * 3))))


def signature(step=(2,), output=(3,), states=()):
    specs = tuple(StateSpec(f"{i}_in", f"{i}_out", shape) for i, shape in enumerate(states))
    return Signature(Datatype.FP32, step, output, Readout.LAST, specs)


@given(lengths, bounds, st.booleans(), st.data())
def test_every_batch_within_the_bounds_that_the_net_reaches_is_taken_whole(met, within, is_causal, data):
    profiles = choose_profiles(met, within, is_causal)
    reach = profiles[-1].steps.most
    steps = data.draw(st.integers(1, reach))
    rows = data.draw(st.integers(1, max(1, min(within.rows, within.row_steps // steps))))
    assert profile_for(profiles, steps, rows) is not None


@given(lengths, bounds, st.booleans())
def test_the_net_reaches_four_times_as_far_as_the_lengths_met(met, within, is_causal):
    usual = sorted(met)[: max(1, len(met) - len(met) // 20)]
    assert choose_profiles(met, within, is_causal)[-1].steps.most >= min(within.steps, 4 * usual[-1])


@given(lengths, bounds, st.booleans(), st.data())
def test_a_batch_is_padded_to_less_than_twice_its_steps_or_to_sixteen(met, within, is_causal, data):
    profiles = choose_profiles(met, within, is_causal)
    steps = data.draw(st.integers(1, profiles[-1].steps.most))
    rows = data.draw(st.integers(1, max(1, min(within.rows, within.row_steps // steps))))
    taken = profiles[profile_for(profiles, steps, rows)]
    assume(profiles[-1].takes(steps, rows))
    assert not taken.is_fixed or taken.steps.most < 2 * steps or taken.steps.most <= 16


@given(lengths, bounds, st.booleans())
def test_fixed_profiles_come_first_by_rising_length_and_one_net_comes_last(met, within, is_causal):
    *fixed, net = choose_profiles(met, within, is_causal)
    steps = [profile.steps.most for profile in fixed]
    assert all(profile.is_fixed for profile in fixed)
    assert steps == sorted(set(steps))
    assert not net.is_fixed or net.steps.most == 1 == within.steps
    assert net.steps.least == 1


@given(lengths, bounds)
def test_only_a_causal_model_gets_a_profile_of_one_step(met, within):
    assume(within.steps > 1)
    causal, other = (choose_profiles(met, within, is_causal) for is_causal in (True, False))
    assert causal == (Profile(Range(1, 1, 1), causal[0].rows), *other)


@given(lengths, st.booleans())
def test_profiles_are_few(met, is_causal):
    assert len(choose_profiles(met, BatchBounds(), is_causal)) <= math.log2(max(met)) + 4


@given(lengths, bounds, st.booleans())
def test_memory_is_bounded_no_profile_holds_much_more_than_the_largest_batch(met, within, is_causal):
    for profile in choose_profiles(met, within, is_causal):
        largest = max(4 * within.row_steps, 16 * min(within.rows, within.row_steps))
        assert profile.rows.most == 1 or profile.steps.most * profile.rows.most <= largest


def test_a_few_examples_are_taken_for_the_short_end_of_what_will_come():
    profiles = choose_profiles([9, 11, 11], BatchBounds(64, 4096, 16_384), False)
    assert list(map(str, profiles)) == ["16:1-32-64", "32:1-32-64", "64:1-32-64", "1-64-256:1-32-64"]


def test_one_long_sequence_among_many_gets_no_bucket():
    profiles = choose_profiles([20] * 99 + [5000], BatchBounds(64, 40_000, 16_384), False)
    assert [profile.steps.most for profile in profiles] == [16, 32, 128]


def test_below_the_lengths_met_buckets_are_far_apart():
    profiles = choose_profiles([900] * 99, BatchBounds(64, 40_000, 16_384), False)
    assert [profile.steps.most for profile in profiles] == [16, 64, 256, 1024, 4096]


def test_profiles_need_a_length():
    with pytest.raises(InvalidRequest, match="at least one length"):
        choose_profiles([], BatchBounds(), False)
    with pytest.raises(InvalidRequest, match="1 or more"):
        choose_profiles([3, 0], BatchBounds(), False)


@given(
    st.tuples(st.integers(1, 64), st.integers(1, 64), st.integers(1, 64)),
    st.integers(1, 1000),
    st.lists(st.tuples(st.integers(1, 4096)), max_size=3),
    lengths,
)
def test_no_tensor_of_any_profile_passes_what_tensorrt_can_address(step, output, states, met):
    model = signature(step, (output,), states)
    widest = max(math.prod(step), output, *(4 * size for (size,) in states), 1)
    for profile in choose_profiles(met, bounds_of(model), model.is_causal):
        assert profile.steps.most * profile.rows.most * widest <= 1 << 31 or profile.rows.most == 1


@given(ranges(), ranges())
def test_a_profile_reads_its_own_text(steps, rows):
    profile = Profile(steps, rows)
    assert parse_profile(str(profile)) == profile


@pytest.mark.parametrize(
    "text", ["", "32", "32:1-2", "a:1-2-3", "1-2:1-2-3", "32:1-2-3 ", "-1:1-2-3", "3:1-2-3-4"]
)
def test_text_that_is_no_profile_is_refused_with_examples(text):
    with pytest.raises(InvalidRequest, match=r"expected like 32:1-16-64 or 1-64-4096:1-16-64"):
        parse_profile(text)


@pytest.mark.parametrize("text", ["0:1-2-3", "32:0-1-2", "32:3-2-4", "4-3-9:1-1-1", "32:1-5-4"])
def test_a_profile_whose_numbers_do_not_rise_is_refused(text):
    with pytest.raises(InvalidRequest, match="1 <= least <= usual <= most"):
        parse_profile(text)


def test_given_profiles_are_put_in_order_without_duplicates():
    texts = ["1-9-9:1-2-3", "64:1-2-3", "16:1-2-3", "64:1-2-3"]
    assert list(map(str, profiles_for(signature(), [5], texts))) == ["16:1-2-3", "64:1-2-3", "1-9-9:1-2-3"]
    assert in_order([]) == ()


def test_a_model_of_unknown_lengths_has_buckets_up_to_256():
    profiles = profiles_for(signature(), [])
    assert [profile.steps.most for profile in profiles] == [16, 32, 64, 128, 256, 1024]


def test_a_batch_too_short_for_every_bucket_goes_to_the_net_unless_that_has_too_few_rows():
    profiles = tuple(map(parse_profile, ["64:1-8-100", "1-64-256:1-8-16"]))
    assert [profile_for(profiles, steps, rows) for steps, rows in ((33, 50), (32, 16), (32, 17))] == [0, 1, 0]
    assert profile_for(profiles, 65, 17) is None
