"""A stream's steps as binary frames: tensors as they are, without a way through text.

    u8        kind: 1 step, 2 output
    u8        format, 1
    u16       rows
    u32       flags: 0; of an output bit 0, degraded
    u64       step: its number, of a step 0 for the next
    f32 x 3   of an output only: milliseconds in the queue, in the batch, in the engine
    12 bytes  of an output only: the device, ASCII, filled up with NUL
    u32 each  per row: its steps; of an output its vectors, one where the model has one for all steps
    the rest  the rows' values, one after the other, in the datatypes that `opened` names

Numbers are little-endian, values as in the Open Inference Protocol's binary tensors.
"""

from __future__ import annotations

import struct
from itertools import accumulate

import numpy as np

from service.api.stream_messages import AskedStep
from service.domain.inference import InferRequest, InferResult
from service.domain.tensors import Array
from service.errors import InvalidRequest
from service.repository.served_model import ServedModel

_STEP, _OUTPUT = 1, 2
_FORMAT = 1
_HEAD = struct.Struct("<BBHIQ")
_TIMES_AND_DEVICE = struct.Struct("<3f12s")
_LENGTH = np.dtype("<u4")
_VALUE = np.dtype("<f4")
_DEGRADED = 1


def step_of(content: bytes, model: ServedModel) -> AskedStep:
    """Its sequences are views of the frame; raises InvalidRequest saying where it is wrong."""
    if len(content) < _HEAD.size:
        raise InvalidRequest(f"frame: has {len(content)} bytes: expected {_HEAD.size} at least")
    kind, layout, rows, flags, number = _HEAD.unpack_from(content)
    if (kind, layout, flags) != (_STEP, _FORMAT, 0) or rows == 0:
        raise InvalidRequest(
            f"frame: kind {kind}, format {layout}, flags {flags}, rows {rows}: expected "
            f"{_STEP}, {_FORMAT}, 0 and one row or more"
        )
    values_at = _HEAD.size + rows * _LENGTH.itemsize
    if len(content) < values_at:
        raise InvalidRequest(f"frame: ends within the lengths of its {rows} rows")
    lengths = np.frombuffer(content, _LENGTH, rows, _HEAD.size).tolist()
    sequences = _sequences(content, values_at, lengths, model)
    request = InferRequest(model.manifest.name, sequences, held_bytes=len(content))
    return AskedStep(request, number or None, is_binary=True)


def output(result: InferResult, model: ServedModel) -> bytes:
    """Rows one after the other, float32."""
    timings = result.timings
    has_steps = model.signature.has_step_outputs
    lengths = [len(output) if has_steps else 1 for output in result.outputs]
    head = _HEAD.pack(_OUTPUT, _FORMAT, len(lengths), _DEGRADED * result.is_degraded, result.step)
    told = _TIMES_AND_DEVICE.pack(
        *(seconds * 1e3 for seconds in (timings.queue_s, timings.batch_s, timings.compute_s)),
        result.device.encode(),
    )
    values = [np.ascontiguousarray(output, _VALUE).tobytes() for output in result.outputs]
    return b"".join([head, told, struct.pack(f"<{len(lengths)}I", *lengths), *values])


def _sequences(content: bytes, start: int, lengths: list[int], model: ServedModel) -> list[Array]:
    signature = model.signature
    in_all = sum(lengths)
    expected = start + in_all * signature.step_bytes
    if len(content) != expected:
        raise InvalidRequest(
            f"frame: has {len(content)} bytes: {in_all} steps of {signature.step_datatype} "
            f"{list(signature.step_shape)} make {expected}"
        )
    little_endian = signature.step_datatype.dtype.newbyteorder("<")
    steps = np.frombuffer(content, little_endian, offset=start).reshape(in_all, *signature.step_shape)
    return [steps[end - length : end] for length, end in zip(lengths, accumulate(lengths), strict=True)]
