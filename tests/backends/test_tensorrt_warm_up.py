"""Blank batches: whoever comes after them waits for nothing, and a plan's time is its own."""

from __future__ import annotations

import pytest
from fake_gpu import Device

from service.backends.cuda import CudaFailed
from service.backends.tensorrt_runtime import TensorRtRuntime
from service.backends.tensorrt_warm_up import seconds_of, warm_up
from service.errors import EngineFailed


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
