"""ONNX Runtime's CUDA provider on a real GPU: as the CPU, or refused by name."""

from __future__ import annotations

import pytest
from on_gpu import BUNDLES, assert_same_rows, bundle, golden_batch, gpu

from service.backends.onnxruntime_backend import OnnxRuntimeBackend
from service.backends.onnxruntime_import import ort
from service.backends.onnxruntime_session import CUDA
from service.errors import EngineFailed

pytestmark = pytest.mark.gpu

# The provider's LSTM has no peepholes.
PEEPHOLES = "digits/1"


@pytest.fixture(autouse=True)
def provider() -> None:
    gpu()
    if CUDA not in ort.get_available_providers():
        pytest.skip("this ONNX Runtime has no CUDA provider: pip install onnxruntime-gpu[cuda,cudnn]")


@pytest.mark.parametrize("name", [name for name in BUNDLES if name != PEEPHOLES])
def test_rows_of_any_length_are_as_on_the_cpu(name):
    cpu, cuda = OnnxRuntimeBackend(), OnnxRuntimeBackend(device="cuda")
    for backend in (cpu, cuda):
        backend.load(bundle(name).artifact)
    for seed, lengths in enumerate(([1], [7, 3, 20], [40] * 8, [33, 1])):
        batch = golden_batch(name, lengths, seed)
        found = cuda.run(batch)
        assert found.device == "gpu"
        tolerance = 2 * bundle(name).manifest.tolerance.reference
        assert_same_rows(name, found, cpu.run(batch), batch.lengths, tolerance)


def test_a_model_that_would_run_on_the_cpu_is_refused_by_its_node():
    with pytest.raises(EngineFailed, match=r"LSTM_\d+ \(LSTM\) on the CPU"):
        OnnxRuntimeBackend(device="cuda").load(bundle(PEEPHOLES).artifact)
