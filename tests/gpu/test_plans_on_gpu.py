"""Every bundle's plans on a real GPU: as the CPU, within what the precision allows."""

from __future__ import annotations

import pytest
from drawn import examples
from hypothesis import given
from hypothesis import strategies as st
from on_gpu import BUNDLES, OnGpu, bundle, flavour, plans

from service.backends.cuda_python import CudaPython
from service.backends.tensorrt_runtime import TensorRtRuntime
from service.backends.tensorrt_warm_up import seconds_of, warm_up
from service.errors import EngineFailed
from service.plans.plan import Precision

pytestmark = pytest.mark.gpu

lengths = st.lists(st.integers(1, 48), min_size=1, max_size=8)


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.FP16])
@pytest.mark.parametrize("name", BUNDLES)
def test_rows_of_any_length_are_as_on_the_cpu(name, precision):
    with OnGpu(name, precision) as on_gpu:

        @given(lengths, st.integers(0, 1 << 30))
        @examples(20)
        def check(lengths, seed):
            batch = on_gpu.batch(lengths, seed)
            on_gpu.check(on_gpu.backend.run(batch), batch)

        check()


@pytest.mark.parametrize("name", ["moby/1", "traffic/1"])
def test_more_rows_and_steps_than_any_profile_takes_run_in_pieces(name):
    with OnGpu(name) as on_gpu:
        batch = on_gpu.batch([600, 3, 257, 1, 256, 90, 500, 12, 17, 300, 2])
        on_gpu.check(on_gpu.backend.run(batch), batch)


def test_a_model_that_looks_ahead_says_how_far_it_reaches():
    with OnGpu("protein/1") as on_gpu:
        assert on_gpu.backend.capability.max_padded_steps == 256
        with pytest.raises(EngineFailed, match="expected at most 256"):
            on_gpu.backend.run(on_gpu.batch([257]))


def test_a_warm_engine_answers_and_its_plans_can_be_timed():
    with OnGpu("vowels/1") as on_gpu:
        artifact = bundle("vowels/1").artifact
        warm_up(on_gpu.backend, artifact.signature)
        batch = on_gpu.batch([3, 16, 1])
        on_gpu.check(on_gpu.backend.run(batch), batch)
    for plan in plans("vowels/1", Precision.FP32):
        assert 0 < seconds_of(plan, artifact, CudaPython(), TensorRtRuntime(flavour())) < 1
