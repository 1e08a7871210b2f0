"""Rows' outputs side by side, as tensors whose bytes can be sent as they lie."""

from __future__ import annotations

import numpy as np
import pytest

from service.api.open_inference.outputs import output_tensors
from service.domain.signature import Readout, Signature
from service.domain.tensors import Datatype

BOTH = frozenset({"output", "lengths"})


def signature(output_shape, readout) -> Signature:
    return Signature(Datatype.FP32, (2,), output_shape, readout)


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("output_shape", [(), (2,), (2, 3)])
def test_last_steps_are_stacked(rows, output_shape):
    batch = np.arange(rows * np.prod(output_shape, dtype=int), dtype=np.float32).reshape(rows, *output_shape)
    (tensor,) = output_tensors(list(batch), signature(output_shape, Readout.LAST), BOTH)
    assert tensor.values.shape == (rows, *output_shape)
    assert bytes(tensor.values.data) == batch.tobytes()


@pytest.mark.parametrize("ends", [(3,), (1, 3, 2)])
@pytest.mark.parametrize("output_shape", [(), (2,)])
def test_every_step_is_padded_with_zeros_though_rows_lie_scattered(ends, output_shape):
    batch = np.arange(1, 1 + 4 * len(ends) * 2, dtype=np.float32).reshape(4, len(ends), 2)
    batch = batch if output_shape else batch[..., 0]
    outputs = [batch[:end, row] for row, end in enumerate(ends)]
    tensor, lengths = output_tensors(outputs, signature(output_shape, Readout.EVERY_STEP), BOTH)
    assert tensor.values.shape == (len(ends), 3, *output_shape)
    assert lengths.values.tolist() == list(ends)
    sent = np.frombuffer(tensor.values.data, np.float32).reshape(tensor.values.shape)
    for row, output in zip(sent, outputs, strict=True):
        assert row[: len(output)].tobytes() == output.tobytes()
        assert not row[len(output) :].any()
