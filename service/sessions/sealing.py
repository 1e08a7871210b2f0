"""Snapshots for clients to carry: encrypted against reading, authenticated against changing.

    8 bytes   "CRSLSEAL"
    u16       format, 1
    8 bytes   id of the key
    f64       expiry, Unix seconds
    32 bytes  fingerprint of the model
    12 bytes  nonce
    the rest  AES-256-GCM of the snapshot, with all before as associated data

Numbers are little-endian. A client may bring the same snapshot twice: that is what carrying it is for.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Sequence

from service.errors import (
    InvalidSettings,
    InvalidSnapshot,
    SnapshotExpired,
    SnapshotMismatch,
    SnapshotRefused,
)
from service.sessions.snapshot_format import MOST_BYTES
from service.sessions.state_keys import KEY_ID_BYTES, StateKey

_MAGIC = b"CRSLSEAL"
_FORMAT = 1
_HEAD = struct.Struct(f"<8sH{KEY_ID_BYTES}sd32s12s")
_NONCE_BYTES = 12
_TAG_BYTES = 16


class Seal:
    """Seals with the first of its keys and opens what any of them sealed."""

    def __init__(self, keys: Sequence[StateKey]) -> None:
        # A twentieth of a second of the start, for those who have a key.
        try:
            from cryptography.exceptions import InvalidTag
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        except ImportError:
            raise InvalidSettings(
                "CAROUSEL_STATE_KEY: needs the package cryptography: pip install -e '.[seal]' in the clone"
            ) from None
        if not keys:
            raise InvalidSettings("CAROUSEL_STATE_KEY: expected one key at least")
        self._first = keys[0]
        self._keys = {key.key_id: AESGCM(key.secret) for key in keys}
        self._invalid = InvalidTag

    def close_up(self, snapshot: bytes, fingerprint: str, expires_s: float) -> bytes:
        """A dumped snapshot for the client to carry until `expires_s`, Unix seconds."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        key_id = self._first.key_id
        head = _HEAD.pack(_MAGIC, _FORMAT, key_id, expires_s, bytes.fromhex(fingerprint), nonce)
        return head + self._keys[key_id].encrypt(nonce, snapshot, head)

    def open_up(self, sealed: bytes, fingerprint: str, now_s: float) -> bytes:
        """The dumped snapshot inside.

        Raises InvalidSnapshot where this is no sealed snapshot, SnapshotRefused where no key of ours sealed
        it or it was changed, SnapshotExpired where it is too old, SnapshotMismatch where it is another
        model's.
        """
        key_id, expires_s, sealed_for, nonce = _read_head(sealed)
        cipher = self._keys.get(key_id)
        if cipher is None:
            raise SnapshotRefused(
                f"snapshot: sealed with the key {key_id.hex()}, which this server does not have"
            )
        try:
            snapshot = cipher.decrypt(nonce, sealed[_HEAD.size :], sealed[: _HEAD.size])
        except self._invalid:
            raise SnapshotRefused("snapshot: was changed since it was sealed") from None
        # Not before: what the head says counts only once it is known to be ours.
        if expires_s <= now_s:
            raise SnapshotExpired(f"snapshot: expired {now_s - expires_s:.0f} s ago: start the session anew")
        if sealed_for.hex() != fingerprint:
            raise SnapshotMismatch(
                f"snapshot: sealed for a model with the fingerprint {sealed_for.hex()[:12]}, "
                f"this one has {fingerprint[:12]}"
            )
        return snapshot


def is_sealed(content: bytes) -> bool:
    return content.startswith(_MAGIC)


def _read_head(sealed: bytes) -> tuple[bytes, float, bytes, bytes]:
    if not is_sealed(sealed) or not _HEAD.size + _TAG_BYTES <= len(sealed) <= MOST_BYTES:
        raise InvalidSnapshot("snapshot: is no sealed one: expected what GET …/state answered")
    _, version, key_id, expires_s, fingerprint, nonce = _HEAD.unpack_from(sealed)
    if version != _FORMAT:
        raise InvalidSnapshot(f"snapshot: sealed in the format {version}: this server reads {_FORMAT}")
    return key_id, expires_s, fingerprint, nonce
