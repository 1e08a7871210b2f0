"""Bytes come back as the snapshot they were, or are refused in words."""

from __future__ import annotations

import hashlib
import json
import struct
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from snapshots import a_snapshot, same, snapshots

from service.errors import InvalidSnapshot
from service.sessions.snapshot_format import dump, load

_HEAD_BYTES = 24
_CHECKSUM_BYTES = 32


def checksummed(content: bytes) -> bytes:
    return content + hashlib.sha256(content).digest()


def with_header(change, body: bytes | None = None) -> bytes:
    """A plain snapshot with a header spoilt by `change`, and right in all else."""
    whole = dump(a_snapshot())
    header_bytes, body_bytes = struct.unpack_from("<IQ", whole, 12)
    header = json.loads(whole[_HEAD_BYTES : _HEAD_BYTES + header_bytes])
    change(header)
    written = json.dumps(header).encode()
    body = whole[_HEAD_BYTES + header_bytes :][:body_bytes] if body is None else body
    return checksummed(whole[:12] + struct.pack("<IQ", len(written), len(body)) + written + body)


@given(snapshots())
def test_a_snapshot_comes_back_to_the_last_bit(snapshot):
    assert same(load(dump(snapshot)), snapshot)


def test_states_that_come_back_can_be_written_to():
    load(dump(a_snapshot())).states["h_in"][:] = 1


def test_it_is_little_larger_than_its_states():
    states = {"h_in": np.ones((8, 1024), np.float32), "c_in": np.ones((8, 1024), np.float32)}
    assert len(dump(a_snapshot(rows=8, states=states))) < 2 * 8 * 1024 * 4 + 600


@given(st.data())
def test_one_wrong_byte_anywhere_is_found(data):
    whole = bytearray(dump(a_snapshot()))
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(InvalidSnapshot):
        load(bytes(whole))


@given(st.integers(0, len(dump(a_snapshot())) - 1))
def test_bytes_cut_off_anywhere_are_found(length):
    with pytest.raises(InvalidSnapshot):
        load(dump(a_snapshot())[:length])


@given(st.data())
def test_a_stranger_who_knows_the_checksum_gets_words_or_a_snapshot_and_no_crash(data):
    content = bytearray(dump(a_snapshot())[:-_CHECKSUM_BYTES])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    whole = checksummed(bytes(content))
    taken = None
    with suppress(InvalidSnapshot):
        taken = load(whole)
    assert taken is None or same(load(dump(taken)), taken)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(content):
    for bytes_ in (content, b"CRSLSNAP" + content, checksummed(b"CRSLSNAP" + content)):
        with pytest.raises(InvalidSnapshot):
            load(bytes_)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda header: header.update(rows=0), "rows: "),
        (lambda header: header.update(rows=3), "expected 3 rows"),
        (lambda header: header.update(rows=True), "rows: "),
        (lambda header: header.update(step_number=-1), "step_number: "),
        (lambda header: header.update(step_number=1.5), "step_number: "),
        (lambda header: header.update(used_s=float("inf")), "used_s|JSON"),
        (lambda header: header.update(fingerprint="x" * 64), "fingerprint: "),
        (lambda header: header.update(extra=1), "extra: "),
        (lambda header: header.pop("model"), "model: "),
        (
            lambda header: header["states"].update(h_in=[2, 1 << 24, 1 << 24, 1 << 24]),
            "bytes of arrays: expected",
        ),
        (lambda header: header["states"].update(h_in=[2] + [1] * 9), "states.h_in: "),
        (lambda header: header["states"].update(h_in=[]), r"states.h_in: has the shape \[\]"),
        (lambda header: header.update(answer=[[1]]), "answer: has 1 rows: expected 2"),
        (lambda header: header.update(answer=[[0], [0] + [1 << 24] * 7]), "answer: "),
        (lambda header: header.update(answer=[[1], [1]]), "bytes of arrays: expected"),
    ],
)
def test_a_wrong_field_is_named(change, words):
    with pytest.raises(InvalidSnapshot, match=words):
        load(with_header(change))


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_is_refused_on_both_ways(number):
    body = np.full(24, number, "<f4").tobytes()
    with pytest.raises(InvalidSnapshot, match="not finite"):
        load(with_header(dict, body))
    with pytest.raises(InvalidSnapshot, match="not finite"):
        dump(a_snapshot(states={"h_in": np.full((2, 1), number, np.float32)}))


def test_a_later_format_is_refused_with_the_one_that_is_read():
    whole = dump(a_snapshot())
    later = checksummed(whole[:8] + struct.pack("<H", 2) + whole[10:-_CHECKSUM_BYTES])
    with pytest.raises(InvalidSnapshot, match=r"has the format 2\.0: this server reads 1\.0"):
        load(later)


def test_a_snapshot_that_could_not_be_read_is_not_written():
    with pytest.raises(InvalidSnapshot, match="expected 2 rows"):
        dump(a_snapshot(states={"h_in": np.zeros((3, 1), np.float32)}))
    with pytest.raises(InvalidSnapshot, match="session_id"):
        dump(a_snapshot(session_id=""))


def test_what_is_needed_to_come_back_is_written_where_there_is_something_and_old_servers_read_the_rest():
    digest = "ab" * 32
    assert load(dump(a_snapshot(resume_digest=digest))).resume_digest == digest
    plain = dump(a_snapshot())
    assert b"resume_digest" not in plain
    assert load(plain).resume_digest is None


@pytest.mark.parametrize("field", ["step_number", "steps_run"])
def test_nobody_brings_a_count_that_cannot_be_counted_on(field):
    load(dump(a_snapshot(**{field: (1 << 62) - 1})))
    with pytest.raises(InvalidSnapshot, match=field):
        dump(a_snapshot(**{field: 1 << 62}))
