"""Graphs and overlap on a real GPU: faster perhaps, different never."""

from __future__ import annotations

import time

import pytest
import structlog
from on_gpu import OnGpu, assert_same

pytestmark = pytest.mark.gpu

BUNDLES = ["moby/1", "vowels/1", "digits/1"]
SHAPES = ([1], [16, 3], [9, 16, 2, 4, 5], [40, 8], [1] * 8, [16] * 8)


def assert_same_results(name, found, due) -> None:
    for mine, theirs in zip((found.output, *found.states), (due.output, *due.states), strict=True):
        assert_same(name, mine, theirs)


@pytest.mark.parametrize("name", BUNDLES)
def test_a_graph_computes_what_a_plain_run_does(name):
    with OnGpu(name) as captured, OnGpu(name, captures=False) as plain:
        for seed in range(4):
            for steps in SHAPES:
                batch = captured.batch(steps, seed)
                assert_same_results(name, captured.backend.run(batch), plain.backend.run(batch))


@pytest.mark.parametrize("name", BUNDLES)
def test_profiles_with_fixed_steps_are_captured(name):
    with structlog.testing.capture_logs() as logs, OnGpu(name) as on_gpu:
        for _ in range(3):
            on_gpu.backend.run(on_gpu.batch([16, 3]))
    assert [line for line in logs if line["event"] == "no CUDA graph for this profile"] == []


@pytest.mark.parametrize("name", BUNDLES)
def test_batches_in_flight_together_are_as_alone(name):
    with OnGpu(name) as on_gpu:
        batches = [on_gpu.batch(steps, seed) for seed in range(10) for steps in SHAPES]
        due = [on_gpu.backend.run(batch) for batch in batches]
        found, pending = [], []
        for batch in batches:
            mine = batch.copy()
            pending.append(on_gpu.backend.start(mine))
            mine.sequence[:] = 0
            if len(pending) == on_gpu.backend.capability.in_flight:
                found.append(on_gpu.backend.finish(pending.pop(0)))
        found += [on_gpu.backend.finish(last) for last in pending]
        for mine, theirs in zip(found, due, strict=True):
            assert_same_results(name, mine, theirs)


def test_the_device_s_time_is_within_the_wall_s():
    with OnGpu("moby/1") as on_gpu:
        batch = on_gpu.batch([200] * 8)
        on_gpu.backend.run(batch)
        started = time.perf_counter()
        result = on_gpu.backend.run(batch)
        assert 0 < result.compute_s < time.perf_counter() - started
