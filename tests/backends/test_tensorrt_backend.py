"""The TensorRT backend on a fake device: every row exact, whatever runs beside it, and nothing left over."""

from __future__ import annotations

import numpy as np
import pytest
from drawn import examples
from fake_gpu import Device
from hypothesis import given
from hypothesis import strategies as st

from service.domain.batches import Batch
from service.domain.signature import Readout
from service.errors import EngineFailed

lengths = st.lists(st.one_of(st.integers(1, 5), st.integers(1, 90)), min_size=1, max_size=20)
seeds = st.one_of(st.none(), st.integers(0, 1 << 30))


@pytest.mark.parametrize("readout", Readout)
@pytest.mark.parametrize("is_rtx", [False, True])
@given(st.lists(st.tuples(lengths, st.integers(0, 9)), min_size=1, max_size=5), seeds)
@examples(30)
def test_every_row_of_every_batch_is_exact(readout, is_rtx, batches, seed):
    device = Device(readout=readout, seed=seed, is_rtx=is_rtx).loaded()
    for number, (steps, spare_steps) in enumerate(batches):
        batch = device.batch(steps, number, spare_steps)
        device.check(device.backend.run(batch), batch)
    device.backend.close()
    assert device.cuda.alive() == {}


@given(st.lists(lengths, min_size=2, max_size=8), seeds)
@examples(50)
def test_batches_in_flight_together_keep_their_numbers_apart(batches, seed):
    device = Device(seed=seed).loaded()
    pending, answers = [], []
    for number, steps in enumerate(batches):
        batch = device.batch(steps, number)
        kept = batch.copy()
        pending.append((device.backend.start(batch), kept))
        batch.sequence[:] = np.nan
        batch.states[0][:] = np.nan
        if len(pending) == 2:
            answers.append((device.backend.finish(pending[0][0]), pending.pop(0)[1]))
    answers += [(device.backend.finish(last), kept) for last, kept in pending]
    for result, kept in answers:
        device.check(result, kept)
    device.backend.close()
    assert device.cuda.alive() == {}


def test_starting_waits_for_nothing():
    device = Device().loaded()
    device.backend.finish(device.backend.start(device.batch([3, 4])))
    waits = device.cuda.calls["synchronize"] + device.cuda.calls["wait_for"]
    pending = device.backend.start(device.batch([3, 4]))
    assert device.cuda.calls["synchronize"] + device.cuda.calls["wait_for"] == waits
    assert device.cuda.streams.unfinished()
    device.check(device.backend.finish(pending), device.batch([3, 4]))


def test_finishing_one_batch_does_not_wait_for_the_next():
    device = Device().loaded()
    first, second = device.backend.start(device.batch([3])), device.backend.start(device.batch([4], 1))
    device.backend.finish(first)
    assert device.cuda.streams.unfinished()
    device.check(device.backend.finish(second), device.batch([4], 1))


def test_once_warm_nothing_is_allocated():
    device = Device().loaded()
    batches = [device.batch([steps] * rows, rows) for steps in (1, 4, 13, 29, 70) for rows in (8, 3, 19, 1)]
    for _ in range(2):
        warm = [device.backend.start(batches[0]), device.backend.start(batches[0])]
        for number, batch in enumerate([*batches, *batches]):
            device.backend.finish(warm.pop(0))
            warm.append(device.backend.start(batch))
            assert number < len(batches) or len(warm) == 2
        for pending in warm:
            device.backend.finish(pending)
    made = ("allocate", "pinned", "create_stream", "create_event")
    before = [device.cuda.calls[name] for name in made]
    for batch in batches:
        device.backend.run(batch)
    assert [device.cuda.calls[name] for name in made] == before


def test_results_that_were_handed_out_never_change():
    device = Device().loaded()
    batches = [device.batch([5, 2], seed) for seed in range(6)]
    results = [device.backend.run(batch) for batch in batches]
    device.backend.close()
    for result, batch in zip(results, batches, strict=True):
        device.check(result, batch)


def test_states_stay_on_the_device_between_the_pieces_of_a_long_sequence():
    device = Device().loaded()
    batch = device.batch([100, 70, 3])
    copied = device.cuda.calls["copy_in"]
    device.check(device.backend.run(batch), batch)
    assert [run.sequence[:2] for run in device.trt.diary.runs if not run.is_captured] == [
        (32, 3),
        (32, 2),
        (32, 2),
        (4, 1),
    ]
    assert device.cuda.calls["copy_in"] - copied == 3 + 2 + 2 + 2
    assert device.cuda.calls["copy_on_device"] == 3


def test_too_many_rows_run_in_groups():
    device = Device().loaded()
    batch = device.batch([7] * 21)
    device.check(device.backend.run(batch), batch)
    assert [run.sequence[:2] for run in device.trt.diary.runs] == [(16, 8), (16, 8)]
    assert [run.is_captured for run in device.trt.diary.runs] == [False, True]
    assert device.cuda.calls["launch"] == 2


def test_a_context_is_made_once_for_each_number_of_rows_that_is_captured_and_for_each_other_profile():
    device = Device().loaded()
    for rows in (1, 3, 1, 3):
        for steps in (1, 20):
            device.backend.run(device.batch([steps] * rows))
    assert device.trt.diary.contexts == ["1:1-2-8", "1-16-32:1-4-8", "1:1-2-8"]


def test_the_device_s_own_time_is_counted():
    device = Device().loaded()
    assert device.backend.run(device.batch([3])).compute_s == pytest.approx(1e-3)
    assert device.backend.run(device.batch([100])).compute_s == pytest.approx(4e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sequence": np.zeros((2, 3, 5), np.float32)}, r"sequence: expected steps of shape \(2,\)"),
        ({"lengths": np.array([2], np.int32)}, "lengths: expected one per row"),
        ({"lengths": np.array([1, 0, 2], np.int32)}, "lengths: expected 1 to 2"),
        ({"lengths": np.array([1, 3, 2], np.int32)}, "lengths: expected 1 to 2"),
        ({"states": ()}, "states: expected one row"),
        ({"states": (np.zeros((2, 2), np.float32),)}, "states: expected one row"),
    ],
)
def test_a_batch_that_is_not_the_model_s_is_refused_and_the_next_one_runs(change, message):
    device = Device().loaded()
    good = device.batch([2, 1, 2])
    fields = {"sequence": good.sequence, "lengths": good.lengths, "states": good.states, **change}
    with pytest.raises(EngineFailed, match=message):
        device.backend.run(Batch(**fields))
    device.check(device.backend.run(good), good)


def test_a_third_batch_in_flight_and_a_second_finish_are_named_as_bugs():
    device = Device().loaded()
    pending = [device.backend.start(device.batch([3])) for _ in range(2)]
    with pytest.raises(EngineFailed, match=r"^2 batches are in flight and one more was started"):
        device.backend.start(device.batch([3]))
    device.backend.finish(pending[0])
    with pytest.raises(EngineFailed, match="finished twice"):
        device.backend.finish(pending[0])
    device.check(device.backend.finish(pending[1]), device.batch([3]))


def test_a_backend_closed_with_batches_in_flight_leaves_nothing_and_loads_again():
    device = Device().loaded()
    device.backend.start(device.batch([3]))
    device.backend.start(device.batch([40, 4]))
    device.backend.close()
    assert device.cuda.alive() == {}
    batch = device.batch([9, 2])
    device.check(device.loaded().backend.run(batch), batch)
