"""A client can carry a sealed snapshot, and do nothing else with it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from snapshots import FINGERPRINT

from service.errors import (
    InvalidSettings,
    InvalidSnapshot,
    SnapshotExpired,
    SnapshotMismatch,
    SnapshotRefused,
)
from service.sessions.sealing import Seal, is_sealed
from service.sessions.state_keys import StateKey

_OLD, _NEW = StateKey(b"o" * 32), StateKey(b"n" * 32)
_SEALED = Seal([_OLD]).close_up(b"the state", FINGERPRINT, expires_s=2000.0)


def test_a_sealed_snapshot_is_opened_and_tells_nothing():
    assert Seal([_OLD]).open_up(_SEALED, FINGERPRINT, now_s=1999.0) == b"the state"
    assert is_sealed(_SEALED)
    assert b"state" not in _SEALED


def test_the_same_snapshot_never_looks_the_same_twice():
    assert Seal([_OLD]).close_up(b"the state", FINGERPRINT, expires_s=2000.0) != _SEALED


def test_while_keys_are_rotated_old_snapshots_open_and_new_ones_have_the_new_key():
    both = Seal([_NEW, _OLD])
    assert both.open_up(_SEALED, FINGERPRINT, now_s=0) == b"the state"
    newer = both.close_up(b"the state", FINGERPRINT, expires_s=2000.0)
    assert Seal([_NEW]).open_up(newer, FINGERPRINT, now_s=0) == b"the state"


def test_a_key_that_is_gone_is_named_by_its_id():
    with pytest.raises(
        SnapshotRefused, match=f"the key {_OLD.key_id.hex()}, which this server does not have"
    ):
        Seal([_NEW]).open_up(_SEALED, FINGERPRINT, now_s=0)


@given(st.integers(0, len(_SEALED) - 1), st.integers(1, 255))
def test_one_changed_byte_anywhere_is_refused(index, difference):
    changed = bytearray(_SEALED)
    changed[index] ^= difference
    # The clock stands where an expiry moved forward would help.
    with pytest.raises((InvalidSnapshot, SnapshotRefused)):
        Seal([_OLD]).open_up(bytes(changed), FINGERPRINT, now_s=3000.0)


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_refused(content, is_marked):
    with pytest.raises((InvalidSnapshot, SnapshotRefused)):
        Seal([_OLD]).open_up(b"CRSLSEAL" * is_marked + content, FINGERPRINT, now_s=0)


@given(st.integers(0, len(_SEALED) - 1))
def test_bytes_cut_off_anywhere_are_refused(length):
    with pytest.raises((InvalidSnapshot, SnapshotRefused)):
        Seal([_OLD]).open_up(_SEALED[:length], FINGERPRINT, now_s=0)


def test_one_that_is_too_old_is_told_so():
    with pytest.raises(SnapshotExpired, match="expired 5 s ago"):
        Seal([_OLD]).open_up(_SEALED, FINGERPRINT, now_s=2005.0)


def test_one_for_another_model_is_told_so():
    with pytest.raises(SnapshotMismatch, match="this one has 000000000000"):
        Seal([_OLD]).open_up(_SEALED, "0" * 64, now_s=0)


def test_without_a_key_there_is_nothing_to_seal_with():
    with pytest.raises(InvalidSettings, match="expected one key at least"):
        Seal([])
