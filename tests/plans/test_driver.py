"""The driver: whatever is wrong with it is an answer, never an exception."""

from __future__ import annotations

import ctypes

import pytest

from service.plans.driver import Gpu, NoGpu, find_gpu

_WORDS = {100: b"no CUDA-capable device is detected", 803: b"system has unsupported display driver"}


class FakeDriver:
    """libcuda of a machine with one H200; `fails` maps a function's name to its error code."""

    def __init__(self, count=1, **fails):
        self.count, self.fails, self.called = count, fails, []

    def __getattr__(self, name):
        if name not in _FUNCTIONS:
            raise AttributeError(f"undefined symbol: {name}")

        def call(*arguments):
            self.called.append(name)
            return self.fails.get(name) or _FUNCTIONS[name](self, *arguments) or 0

        return call


def put(reference, value):
    reference._obj.value = value


def name_into(_, buffer, size, device):
    assert size == len(buffer)
    buffer.value = b"NVIDIA H200"


def error_words(_, code, reference):
    if code not in _WORDS:
        return 1
    put(reference, _WORDS[code])
    return 0


_FUNCTIONS = {
    "cuInit": lambda *_: None,
    "cuDeviceGetCount": lambda driver, count: put(count, driver.count),
    "cuDeviceGet": lambda _, device, index: put(device, index),
    "cuDeviceGetName": name_into,
    "cuDeviceGetAttribute": lambda _, value, attribute, __: put(value, {75: 9, 76: 0}[attribute]),
    "cuDeviceTotalMem_v2": lambda _, size, __: put(size, 141 << 30),
    "cuDriverGetVersion": lambda _, version: put(version, 13020),
    "cuGetErrorString": error_words,
}


def test_a_gpu_is_described_by_what_its_driver_says():
    driver = FakeDriver()
    gpu = find_gpu(lambda _: driver)
    assert gpu == Gpu("NVIDIA H200", (9, 0), 141 << 30, (13, 2))
    assert str(gpu) == "NVIDIA H200 (compute capability 9.0)"
    assert driver.called[0] == "cuInit"


def test_without_the_library_there_is_no_driver():
    def missing(name):
        raise OSError(f"{name}: cannot open shared object file")

    assert find_gpu(missing) == NoGpu("no NVIDIA driver: libcuda.so.1: cannot open shared object file")


@pytest.mark.parametrize("code", [100, 803, 7777])
def test_a_driver_that_does_not_start_is_quoted_and_asked_nothing_more(code):
    driver = FakeDriver(cuInit=code)
    found = find_gpu(lambda _: driver)
    words = _WORDS.get(code, b"unknown error").decode()
    assert found == NoGpu(f"the NVIDIA driver does not work: cuInit: {words} ({code})")
    assert set(driver.called) == {"cuInit", "cuGetErrorString"}


@pytest.mark.parametrize("function", sorted(set(_FUNCTIONS) - {"cuGetErrorString"}))
def test_any_call_that_fails_is_named(function):
    found = find_gpu(lambda _: FakeDriver(**{function: 100}))
    assert isinstance(found, NoGpu)
    assert f"{function}: no CUDA-capable device" in found.reason


def test_a_machine_whose_gpus_are_hidden_has_none():
    assert find_gpu(lambda _: FakeDriver(count=0)) == NoGpu("the NVIDIA driver shows no GPU")


def test_a_library_that_is_no_driver_is_none():
    found = find_gpu(lambda _: ctypes.CDLL(None))
    assert isinstance(found, NoGpu)
    assert "cuInit" in found.reason
