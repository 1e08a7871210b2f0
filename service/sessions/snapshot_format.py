"""A snapshot as bytes.

    8 bytes   "CRSLSNAP"
    u16       format, 1
    u16       0
    u32       bytes of the header
    u64       bytes of the arrays
    header    JSON, see _Header
    arrays    float32, one after the other: the states in the header's order, then the answer's rows
    32 bytes  SHA-256 of all before

Numbers are little-endian. The checksum finds accidents, not malice: what a stranger sends is checked
field by field, or sealed (see sealing.py).
"""

from __future__ import annotations

import hashlib
import math
import struct
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, StringConstraints, ValidationError

from service.domain.tensors import Array, Shape
from service.errors import InvalidSnapshot
from service.sessions.snapshot import Answer, Snapshot

MOST_BYTES = 1 << 28
# A model's name and the longest id, four bytes a character.
MOST_ID_BYTES = 1024
_MAGIC = b"CRSLSNAP"
_FORMAT = 1
_HEAD = struct.Struct("<8sHHIQ")
_CHECKSUM_BYTES = 32
_MOST_HEADER_BYTES = 1 << 20
_FLOAT32 = np.dtype("<f4")
_NOT_FINITE = "snapshot: holds numbers that are not finite"

_Extent = Annotated[int, Field(ge=1, le=1 << 24)]
# A chunk may end before a row's first output, and then that row's answer is empty.
_AnswerExtent = Annotated[int, Field(ge=0, le=1 << 24)]
_Shape = Annotated[list[_Extent], Field(max_length=8)]
_AnswerShape = Annotated[list[_AnswerExtent], Field(max_length=8)]
# Far from where counting on would leave the 64 bits that a number has on its way.
_Count = Annotated[int, Field(ge=0, lt=1 << 62)]
_Name = Annotated[str, StringConstraints(min_length=1, max_length=128)]
_Digest = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
_Seconds = Annotated[FiniteFloat, Field(ge=0)]


class _Header(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    session_id: Annotated[str, StringConstraints(min_length=1, max_length=MOST_ID_BYTES)]
    model: _Name
    version: _Name
    fingerprint: _Digest
    rows: _Extent
    step_number: _Count
    steps_run: _Count
    created_s: _Seconds
    used_s: _Seconds
    idle_limit_s: _Seconds
    ttl_s: _Seconds
    states: Annotated[dict[_Name, _Shape], Field(max_length=1024)]
    answer: list[_AnswerShape] | None
    # Left out where they are nobody's: servers that know neither read those as before.
    owner: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    resume_digest: _Digest | None = None


def dump(snapshot: Snapshot, *, is_read_back: bool = True) -> bytes:
    """The snapshot as bytes; raises InvalidSnapshot where `load` would not take them back.

    Reading them back takes most of the time. Without it only numbers that are not finite are looked for,
    which is what may change from one step of a session to the next.
    """
    arrays = [*snapshot.states.values(), *(snapshot.answer or ())]
    header = _header_of(snapshot).model_dump_json(exclude_defaults=True).encode()
    body = b"".join(np.ascontiguousarray(array, _FLOAT32).tobytes() for array in arrays)
    content = _HEAD.pack(_MAGIC, _FORMAT, 0, len(header), len(body)) + header + body
    whole = content + hashlib.sha256(content).digest()
    if is_read_back:
        load(whole)
    elif not all(np.isfinite(array).all() for array in arrays):
        raise InvalidSnapshot(_NOT_FINITE)
    return whole


def load(content: bytes) -> Snapshot:
    """The snapshot in these bytes; raises InvalidSnapshot naming what is wrong with them."""
    header_bytes, body = _parts(content)
    try:
        header = _Header.model_validate_json(header_bytes)
    except ValidationError as failure:
        raise InvalidSnapshot(f"snapshot: header: {_first(failure)}") from None
    answer_shapes = header.answer or []
    _check_rows(header)
    shapes: list[Shape] = [tuple(shape) for shape in (*header.states.values(), *answer_shapes)]
    arrays = _arrays(body, shapes)
    states = dict(zip(header.states, arrays, strict=False))
    answer: Answer | None = None if header.answer is None else tuple(arrays[len(states) :])
    fields = header.model_dump(exclude={"states", "answer"})
    return Snapshot(**fields, states=states, answer=answer)


def _header_of(snapshot: Snapshot) -> _Header:
    given = {name: getattr(snapshot, name) for name in _Header.model_fields}
    given["states"] = {name: list(state.shape) for name, state in snapshot.states.items()}
    given["answer"] = None if snapshot.answer is None else [list(row.shape) for row in snapshot.answer]
    try:
        return _Header(**given)
    except ValidationError as failure:
        raise InvalidSnapshot(f"snapshot: {_first(failure)}") from None


def _parts(content: bytes) -> tuple[bytes, memoryview]:
    """Header and arrays, once lengths and checksum have been found right."""
    if len(content) > MOST_BYTES:
        raise InvalidSnapshot(f"snapshot: has {len(content):,} bytes: expected {MOST_BYTES:,} at most")
    if len(content) < _HEAD.size + _CHECKSUM_BYTES or not content.startswith(_MAGIC):
        raise InvalidSnapshot("snapshot: is none: expected what GET …/state answered")
    _, version, reserved, header_bytes, body_bytes = _HEAD.unpack_from(content)
    if version != _FORMAT or reserved:
        raise InvalidSnapshot(f"snapshot: has the format {version}.{reserved}: this server reads {_FORMAT}.0")
    expected = _HEAD.size + header_bytes + body_bytes + _CHECKSUM_BYTES
    if header_bytes > _MOST_HEADER_BYTES or len(content) != expected:
        raise InvalidSnapshot(f"snapshot: has {len(content):,} bytes, its head says {expected:,}")
    if hashlib.sha256(content[:-_CHECKSUM_BYTES]).digest() != content[-_CHECKSUM_BYTES:]:
        raise InvalidSnapshot("snapshot: its checksum is wrong: it was damaged on its way")
    body_at = _HEAD.size + header_bytes
    return content[_HEAD.size : body_at], memoryview(content)[body_at:-_CHECKSUM_BYTES]


def _check_rows(header: _Header) -> None:
    for name, shape in header.states.items():
        if shape[:1] != [header.rows]:
            raise InvalidSnapshot(
                f"snapshot: states.{name}: has the shape {shape}: expected {header.rows} rows"
            )
    if header.answer is not None and len(header.answer) != header.rows:
        raise InvalidSnapshot(f"snapshot: answer: has {len(header.answer)} rows: expected {header.rows}")


def _arrays(body: memoryview, shapes: list[Shape]) -> list[Array]:
    needed = sum(math.prod(shape) for shape in shapes) * _FLOAT32.itemsize
    if needed != len(body):
        raise InvalidSnapshot(f"snapshot: has {len(body):,} bytes of arrays: expected {needed:,}")
    # A copy: the arrays are written to, and start on a boundary of their own.
    numbers = np.frombuffer(body, _FLOAT32).astype(np.float32)
    if not np.isfinite(numbers).all():
        raise InvalidSnapshot(_NOT_FINITE)
    ends = np.cumsum([math.prod(shape) for shape in shapes], dtype=np.int64)
    parts = np.split(numbers, ends[:-1])
    try:
        return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=False)]
    except ValueError as failure:
        # NumPy counts the extents beside a zero.
        raise InvalidSnapshot(f"snapshot: answer: {failure}") from None


def _first(failure: ValidationError) -> str:
    fault = failure.errors(include_input=False, include_url=False)[0]
    where = ".".join(map(str, fault["loc"]))
    return f"{where}: {fault['msg']}" if where else str(fault["msg"])
