"""The released bundles on a fake device: what ONNX Runtime gives each row alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fake_gpu import OnnxOnFakeGpu
from on_gpu import BUNDLES, assert_same_rows, bundle, golden_batch

from service.backends.onnxruntime_backend import OnnxRuntimeBackend
from service.domain.batches import Batch, BatchResult

_TOLERANCE = 1e-6


@pytest.mark.skipif(not BUNDLES, reason="models/ holds no bundle")
def test_rows_of_any_length_and_number_are_as_alone():
    random = np.random.default_rng(7)
    for name in BUNDLES:
        fake, alone = OnnxOnFakeGpu(), OnnxRuntimeBackend()
        for backend in (fake, alone):
            backend.load(bundle(name).artifact)
        for seed in range(3):
            lengths = random.integers(1, 20, size=random.integers(1, 9)).tolist()
            batch = golden_batch(name, lengths, seed)
            found = fake.run(batch)
            for row, steps in enumerate(lengths):
                single = batch.part(row, row + 1)
                due = alone.run(Batch(single.sequence[:steps], single.lengths, single.states))
                assert_same_rows(name, _row(name, found, row, steps), due, single.lengths, _TOLERANCE)
        fake.close()
        assert fake.cuda.alive() == {}


def _row(name: str, result: BatchResult, row: int, steps: int) -> BatchResult:
    has_steps = bundle(name).artifact.signature.has_step_outputs
    output = result.output[:steps, row : row + 1] if has_steps else result.output[row : row + 1]
    return replace(result, output=output, states=tuple(state[row : row + 1] for state in result.states))
