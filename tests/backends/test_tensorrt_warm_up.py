"""Blank batches: whoever comes after them waits for nothing, and a plan's time is its own."""

from __future__ import annotations

import pytest
from fake_gpu import PROFILES, Device

from service.backends.cuda import CudaFailed
from service.backends.tensorrt_runtime import TensorRtRuntime
from service.backends.tensorrt_warm_up import seconds_of, warm_up
from service.errors import EngineFailed, EngineOutOfMemory


def test_after_a_warm_up_every_batch_that_a_bucket_takes_is_only_launched():
    device = Device().loaded()
    warm_up(device.backend, device.signature)
    warm = ("allocate", "pinned", "begin_capture")
    before, ran = [device.cuda.calls[name] for name in warm], len(device.trt.diary.runs)
    for steps in (1, 4, 9, 16):
        for rows in range(1, 9):
            batches = [device.batch([steps] * rows, seed) for seed in (0, 1)]
            for pending, batch in [(device.backend.start(batch), batch) for batch in batches]:
                device.check(device.backend.finish(pending), batch)
    assert [device.cuda.calls[name] for name in warm] == before
    assert len(device.trt.diary.runs) == ran


@pytest.mark.parametrize(
    "profiles",
    [PROFILES, ("1:1-2-64", "16:1-4-8", "1-16-32:1-4-8"), ("4:1-4-8", "1-9-9:1-4-20", "1-16-64:1-1-3")],
)
def test_after_a_warm_up_no_batch_makes_a_graph_forgotten(profiles):
    device = Device(profiles).loaded()
    warm_up(device.backend, device.signature)
    fixed = [profile for profile in device.backend.profiles if profile.is_fixed]
    due = sum(profile.rows.most.bit_length() for profile in fixed) * device.backend.capability.in_flight
    assert device.cuda.alive()["graphs"] == due
    destroyed, captured = device.cuda.calls["destroy_graph"], device.cuda.calls["begin_capture"]
    for steps in (1, 3, 5, 9, 12, 16, 20, 40, 70):
        for rows in (1, 3, 8, 20, 70):
            batches = [device.batch([steps] * rows, seed) for seed in (0, 1)]
            for pending, batch in [(device.backend.start(batch), batch) for batch in batches]:
                device.check(device.backend.finish(pending), batch)
    assert device.cuda.calls["destroy_graph"] == destroyed
    assert device.cuda.calls["begin_capture"] == captured


def test_a_device_without_room_for_the_largest_batch_is_warmed_with_what_it_has_room_for():
    device = Device(("4:1-4-8", "1-16-64:1-4-256"))
    device.cuda.room = 1 << 19
    warm_up(device.loaded().backend, device.signature)
    plain = [run.sequence[:2] for run in device.trt.diary.runs if not run.is_captured]
    assert max(rows for steps, rows in plain if steps == 64) == 64
    captured = device.cuda.calls["begin_capture"]
    for batch in (device.batch([64] * 64), device.batch([4] * 8)):
        device.check(device.backend.run(batch), batch)
    assert device.cuda.calls["begin_capture"] == captured


def test_a_device_without_room_for_one_row_is_refused():
    device = Device()
    device.cuda.room = 1 << 10
    with pytest.raises(EngineOutOfMemory):
        warm_up(device.loaded().backend, device.signature)


def test_a_warm_up_reaches_every_profile():
    device = Device().loaded()
    warm_up(device.backend, device.signature)
    assert set(device.trt.diary.contexts) == set(map(str, device.backend.profiles))


def test_a_plan_is_timed_on_its_usual_batch_and_leaves_nothing():
    device = Device()
    runtime = TensorRtRuntime(device.trt.flavour())
    assert seconds_of(b"4:1-4-8", device.artifact, device.cuda, runtime) == pytest.approx(1e-3)
    assert device.trt.diary.runs[0].sequence == (4, 4, 2)
    assert device.cuda.alive() == {}


def test_a_plan_that_fails_while_it_is_timed_leaves_nothing():
    device = Device()
    device.cuda.refuses = {"wait_for": CudaFailed("no")}
    with pytest.raises(EngineFailed):
        seconds_of(b"last", device.artifact, device.cuda, TensorRtRuntime(device.trt.flavour()))
    assert device.cuda.alive() == {}
