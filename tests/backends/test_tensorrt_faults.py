"""Whatever call to the device fails: no wrong number, no leak, and the next batch runs."""

from __future__ import annotations

import functools
import gc
import re
import subprocess
import sys

import pytest
from drawn import is_thorough
from fake_gpu import Device

from service.backends.cuda import CudaContextLost, CudaFailed, CudaOutOfMemory
from service.backends.tensorrt_backend import Pending
from service.domain.batches import Batch
from service.errors import EngineBroken, EngineFailed, EngineOutOfMemory


class Scenario:
    """A short life of a backend: plain runs, graphs, growth, overlap, a long batch; failures are counted."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.failures: list[EngineFailed] = []

    def play(self) -> None:
        device = self.device
        try:
            device.loaded()
        except EngineFailed as failure:
            self.failures.append(failure)
            return
        for batch in (device.batch([3, 2]), device.batch([3]), device.batch([40, 9, 40])):
            self._overlap(batch, device.batch([12, 1, 5], 1))

    def _overlap(self, *batches: Batch) -> None:
        started = [(self._started(batch), batch) for batch in batches]
        for pending, batch in started:
            if pending is not None:
                self._finish(pending, batch)

    def _started(self, batch: Batch) -> Pending | None:
        try:
            return self.device.backend.start(batch)
        except EngineFailed as failure:
            self.failures.append(failure)
            return None

    def _finish(self, pending: Pending, batch: Batch) -> None:
        try:
            result = self.device.backend.finish(pending)
        except EngineFailed as failure:
            self.failures.append(failure)
        else:
            self.device.check(result, batch)


@functools.cache
def calls_of_the_scenario() -> list[str]:
    """The calls that a life without faults makes, in order."""

    class Noting(dict[int, Exception]):
        def __init__(self, device: Device) -> None:
            self.device = device
            self.names: list[str] = []
            self.before = device.cuda.calls.copy()

        def get(self, number: int, default: object = None) -> None:
            calls = self.device.cuda.calls
            self.names += (calls - self.before).elements()
            self.before = calls.copy()

    device = Device()
    device.cuda.fails_at = noting = Noting(device)
    scenario = Scenario(device)
    scenario.play()
    assert not scenario.failures
    return noting.names


@pytest.mark.parametrize(
    ("failure", "seed", "first"), [(CudaFailed("it failed"), None, 0), (CudaOutOfMemory("no room"), 7, 1)]
)
def test_a_call_that_fails_once_costs_its_own_batch_and_leaks_nothing(failure, seed, first):
    calls = list(enumerate(calls_of_the_scenario(), start=1))
    # Every day each call fails in one of the two ways.
    for number, name in calls if is_thorough() else calls[first::2]:
        device = Device(seed=seed)
        device.cuda.fails_at = {number: failure}
        scenario = Scenario(device)
        scenario.play()
        assert len(scenario.failures) <= 1, (number, name)
        kind = EngineOutOfMemory if isinstance(failure, CudaOutOfMemory) else EngineFailed
        assert all(isinstance(found, kind) for found in scenario.failures), (number, name)
        batch = device.batch([20, 6])
        device.check(device.loaded().backend.run(batch), batch)
        device.backend.close()
        # What could not be freed when it was to be freed is lost; nothing else is.
        assert sum(device.cuda.alive().values()) <= name.startswith(("free", "destroy")), (number, name)


def test_a_lost_device_is_told_at_once_and_by_every_later_batch():
    for number, name in enumerate(calls_of_the_scenario(), start=1):
        device = Device()
        device.cuda.fails_at = {number: CudaContextLost("cudaErrorIllegalAddress")}
        scenario = Scenario(device)
        scenario.play()
        assert scenario.failures, (number, name)
        assert all(isinstance(failure, EngineBroken) for failure in scenario.failures), (number, name)
        before = device.cuda.calls.copy()
        device.backend.close()
        assert device.cuda.calls == before, (number, name)


def test_nothing_of_tensorrt_is_destroyed_on_a_lost_device():
    rules = {}
    for number, name in enumerate(calls_of_the_scenario(), start=1):
        device = Device()
        device.cuda.fails_at = {number: CudaContextLost("cudaErrorIllegalAddress")}
        Scenario(device).play()
        device.backend.close()
        rules[number, name] = device.cuda.rules
        del device
    gc.collect()
    assert {where: found.broken for where, found in rules.items() if found.broken} == {}


def test_a_device_that_another_model_lost_is_left_alone_too():
    device = Device().loaded()
    device.backend.run(device.batch([3]))
    rules, calls = device.cuda.rules, device.cuda.calls
    device.cuda.lost = CudaContextLost("cudaErrorIllegalAddress")
    before = calls.copy()
    device.backend.close()
    del device
    gc.collect()
    assert rules.broken == []
    assert (calls - before).keys() == {"synchronize"}


def test_what_is_never_to_be_destroyed_outlives_the_interpreter():
    program = """
from service.backends.tensorrt_runtime import never_destroy

class Context:
    def __del__(self):
        print("destroyed", flush=True)

class Loaded:
    def __init__(self):
        self.context, self.itself = Context(), self

loaded = Loaded()
never_destroy(loaded)
Loaded()
"""
    ended = subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, text=True)
    assert ended.stdout == "destroyed\n"


def test_a_call_that_fails_while_freeing_does_not_keep_the_rest_from_being_freed():
    device = Device().loaded()
    device.backend.run(device.batch([3]))
    device.cuda.refuses = {"destroy_event": CudaFailed("no")}
    device.backend.close()
    assert device.cuda.alive().keys() == {"events"}


def test_out_of_memory_is_told_as_such_and_fewer_rows_may_fit():
    device = Device(("16:1-4-1024",))
    device.cuda.room = 1 << 16
    device.loaded()
    with pytest.raises(EngineOutOfMemory, match="the GPU has no room"):
        device.backend.run(device.batch([16] * 64))
    small = device.batch([16] * 8)
    device.check(device.backend.run(small), small)
    device.backend.close()
    assert device.cuda.alive() == {}


@pytest.mark.parametrize(
    "words",
    [
        "CUDA error: out of memory",
        "Error Code 2: OutOfMemory (Requested size was 8 bytes)",
        "cuMemAlloc failed with CUDA_ERROR_OUT_OF_MEMORY",
        "Requested amount of GPU memory (8 bytes) could not be allocated",
    ],
)
def test_tensorrt_s_own_lack_of_memory_is_told_as_such(words):
    device = Device().loaded()
    device.trt.diary.refusals = [words]
    with pytest.raises(EngineOutOfMemory, match=re.escape(f"the run was refused: {words}")):
        device.backend.run(device.batch([3]))
    device.check(device.backend.run(device.batch([3])), device.batch([3]))


def test_what_tensorrt_said_is_told():
    device = Device().loaded()
    device.trt.diary.refusals = ["Myelin error"]
    with pytest.raises(EngineFailed, match="TensorRT: the run was refused: Myelin error"):
        device.backend.run(device.batch([3]))


def test_a_refused_batch_does_not_harm_the_one_in_flight():
    device = Device().loaded()
    batch = device.batch([9, 2])
    pending = device.backend.start(batch)
    device.trt.diary.refusals = ["no"]
    with pytest.raises(EngineFailed):
        device.backend.start(device.batch([3]))
    device.check(device.backend.finish(pending), batch)


def test_without_a_driver_tensorrt_is_not_touched():
    device = Device()
    device.cuda.refuses = {"create_stream": CudaFailed("cudaErrorInsufficientDriver")}
    with pytest.raises(EngineFailed, match="InsufficientDriver"):
        device.loaded()
    assert not device.trt.is_touched


def test_a_plan_that_cannot_be_loaded_is_refused_in_tensorrt_s_words():
    device = Device()
    device.trt.plans.clear()
    with pytest.raises(EngineFailed, match="the plan cannot be loaded here: Magic tag does not match"):
        device.loaded()
    assert device.cuda.alive() == {}
