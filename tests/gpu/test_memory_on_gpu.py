"""Memory on a real GPU: a lack of it is survived, and none of it leaks."""

from __future__ import annotations

import pytest
from on_gpu import OnGpu, gpu

from service.backends.cuda_python import CudaPython
from service.errors import EngineOutOfMemory

pytestmark = pytest.mark.gpu

_MIB = 1 << 20
_LEFT = 48 * _MIB
# The driver takes and returns memory in pieces of this size, also for other processes.
_PIECE = 64 * _MIB


def free_bytes() -> int:
    from cuda.bindings import runtime

    error, free, _ = runtime.cudaMemGetInfo()
    assert error == runtime.cudaError_t.cudaSuccess
    return free


def test_a_batch_without_room_says_so_and_runs_when_there_is_room_again():
    gpu()
    cuda = CudaPython()
    with OnGpu("winds/1") as on_gpu:
        small = on_gpu.batch([2])
        on_gpu.check(on_gpu.backend.run(small), small)
        hoard = cuda.allocate(free_bytes() - _LEFT)
        try:
            large = on_gpu.batch([200] * 8)
            with pytest.raises(EngineOutOfMemory):
                on_gpu.backend.run(large)
        finally:
            cuda.free(hoard)
        for batch in (small, large):
            on_gpu.check(on_gpu.backend.run(batch), batch)


def test_a_thousand_batches_leak_nothing():
    with OnGpu("vowels/1") as on_gpu:
        batches = [on_gpu.batch([steps] * rows, rows) for steps in (1, 9, 40) for rows in (1, 3, 8)]
        for batch in [*batches, *batches]:
            on_gpu.backend.run(batch)
        before = free_bytes()
        for number in range(1000):
            on_gpu.backend.run(batches[number % len(batches)])
        assert before - free_bytes() < _PIECE


def test_a_backend_that_was_closed_has_given_its_memory_back():
    with OnGpu("vowels/1") as first:
        first.backend.run(first.batch([40] * 8))
    before = free_bytes()
    for _ in range(20):
        with OnGpu("vowels/1") as on_gpu:
            on_gpu.backend.run(on_gpu.batch([40] * 8))
    assert before - free_bytes() < _PIECE
