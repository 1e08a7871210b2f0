"""CUDA graphs: captured once for each shape and set of buffers, never with addresses that are gone."""

from __future__ import annotations

import pytest
import structlog
from drawn import examples
from fake_gpu import Device
from fake_tensorrt_context import FakeContext
from hypothesis import given
from hypothesis import strategies as st

from service.backends.cuda import CudaFailed, CudaOutOfMemory


def runs(device: Device) -> list[bool]:
    """For each run that TensorRT saw, whether it was captured."""
    return [run.is_captured for run in device.trt.diary.runs]


def test_a_shape_runs_once_plainly_is_then_captured_and_from_then_on_only_launched():
    device = Device().loaded()
    for seed in range(4):
        batch = device.batch([3, 4], seed)
        device.check(device.backend.run(batch), batch)
    assert runs(device) == [False, True]
    assert device.cuda.calls["launch"] == 3


def test_rows_up_to_the_next_power_of_two_share_a_graph():
    device = Device().loaded()
    for rows in (8, 7, 6, 5):
        batch = device.batch([4] * rows, rows)
        device.check(device.backend.run(batch), batch)
    assert runs(device) == [False, True]


def test_batches_in_flight_together_have_graphs_of_their_own():
    device = Device().loaded()
    for _ in range(3):
        batches = [device.batch([4], seed) for seed in (0, 1)]
        for pending, batch in [(device.backend.start(batch), batch) for batch in batches]:
            device.check(device.backend.finish(pending), batch)
    assert runs(device) == [False, True, False, True]


@pytest.mark.parametrize("is_rtx", [False, True])
def test_plain_runs_of_other_numbers_of_rows_leave_a_graph_as_it_was_captured(is_rtx):
    device = Device(is_rtx=is_rtx).loaded()
    for seed in range(3):
        for rows in (8, 1, 4, 2):
            batches = [device.batch([4] * rows, seed), device.batch([4, 3], seed)]
            for pending, batch in [(device.backend.start(batch), batch) for batch in batches]:
                device.check(device.backend.finish(pending), batch)
    assert device.cuda.calls["begin_capture"] == 5


def test_after_a_failed_capture_the_graphs_that_are_there_go_on():
    device = Device().loaded()
    for seed in range(2):
        device.check(device.backend.run(device.batch([4] * 8, seed)), device.batch([4] * 8, seed))
    device.cuda.refuses = {"end_capture": CudaFailed("no room for a graph")}
    for seed in range(3):
        for rows in (2, 8, 4):
            batch = device.batch([4] * rows, seed)
            device.check(device.backend.run(batch), batch)
    assert runs(device) == [False, True, False, True, False, False, False, False, False]
    assert device.cuda.calls["launch"] == 4
    device.backend.close()
    assert device.cuda.alive() == {}


@pytest.mark.parametrize(("room", "due"), [(1 << 20, 2 * 64 * 64 * 64), (1 << 19, 64 * 65 * 64)])
def test_memory_for_activations_grows_twofold_or_where_there_is_no_room_as_needed(room, due):
    device = Device(("1-16-64:1-4-128", "1-16-64:1-4-64")).loaded()
    device.cuda.room = room
    for rows in (64, 65):
        batch = device.batch([64] * rows)
        device.check(device.backend.run(batch), batch)
    assert max(device.cuda.memory.sizes()) == due


def test_with_dynamic_time_nothing_is_captured():
    device = Device(("1-16-32:1-4-8", "1-16-64:1-4-8")).loaded()
    for _ in range(2):
        device.backend.run(device.batch([20]))
    assert runs(device) == [False, False]


def test_graphs_can_be_switched_off():
    device = Device(captures=False).loaded()
    for _ in range(2):
        device.backend.run(device.batch([4]))
    assert runs(device) == [False, False]


@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(1, 20)), min_size=2, max_size=12),
    st.none() | st.integers(0, 1 << 30),
)
@examples(50)
def test_a_graph_is_forgotten_when_its_memory_moves(shapes, seed):
    device = Device(seed=seed).loaded()
    for steps, rows in shapes:
        # A smaller batch again after a larger one: its graph may not know where the memory was.
        for batch in (device.batch([steps] * rows, rows), device.batch([2, 1], steps)):
            device.check(device.backend.run(batch), batch)
    device.backend.close()
    assert device.cuda.alive() == {}


def test_a_capture_that_fails_is_told_once_and_not_tried_again():
    device = Device().loaded()
    device.trt.diary.uncapturable = {"4:1-4-8"}
    with structlog.testing.capture_logs() as logs:
        for seed in range(3):
            batch = device.batch([3], seed)
            device.check(device.backend.run(batch), batch)
    assert runs(device) == [False, False, False]
    told = [line for line in logs if line["event"] == "no CUDA graph for this profile"]
    assert [line["profile"] for line in told] == ["4:1-4-8"]
    assert device.cuda.calls["begin_capture"] == 1


@pytest.mark.parametrize("call", ["begin_capture", "end_capture"])
@pytest.mark.parametrize("failure", [CudaFailed("it failed"), CudaOutOfMemory("no room for a graph")])
def test_a_failed_capture_costs_no_batch(call, failure):
    device = Device().loaded()
    device.cuda.refuses = {call: failure}
    for seed in range(2):
        batch = device.batch([3], seed)
        device.check(device.backend.run(batch), batch)
    device.backend.close()
    assert device.cuda.alive() == {}


def test_a_run_refused_in_the_middle_of_a_capture_leaves_a_stream_that_works():
    device = Device().loaded()
    device.trt.diary.refuses_captured = "not now"
    for seed in range(3):
        batch = device.batch([3], seed)
        device.check(device.backend.run(batch), batch)
    device.backend.close()
    assert device.cuda.alive() == {}


def test_an_interruption_in_the_middle_of_a_capture_leaves_a_stream_that_works(monkeypatch):
    device = Device().loaded()
    enqueue = FakeContext.execute_async_v3

    def interrupted(context, stream):
        if device.cuda.is_capturing(stream):
            raise KeyboardInterrupt
        return enqueue(context, stream)

    monkeypatch.setattr(FakeContext, "execute_async_v3", interrupted)
    with pytest.raises(KeyboardInterrupt):
        device.backend.run(device.batch([3]))
    monkeypatch.undo()
    for seed in range(3):
        batch = device.batch([3], seed)
        device.check(device.backend.run(batch), batch)
    device.backend.close()
    assert device.cuda.alive() == {}
