"""The keys that snapshots are sealed with when clients carry them.

A key is 32 random bytes, written as 64 hex digits (`openssl rand -hex 32`). In a file each has a line of its
own, `#` starts a remark; the first seals, all open. To rotate: put the new one first, and take the old one
out once the snapshots it sealed have expired.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

from service.errors import InvalidSettings

_KEY = re.compile(r"[0-9a-fA-F]{64}")
KEY_ID_BYTES = 8


@dataclass(frozen=True, slots=True)
class StateKey:
    """A key, and the id by which a sealed snapshot names it."""

    secret: bytes = field(repr=False)

    @property
    def key_id(self) -> bytes:
        return hashlib.sha256(b"carousel state key" + self.secret).digest()[:KEY_ID_BYTES]


def read_state_keys(state_key: str, file: Path | None) -> tuple[StateKey, ...]:
    """Every key, the sealing one first; raises InvalidSettings naming the line at fault and quoting none."""
    keys = [_key(state_key.strip(), "CAROUSEL_STATE_KEY")] if state_key.strip() else []
    if file is not None:
        keys += _keys_in(file)
    return tuple(dict.fromkeys(keys))


def _keys_in(file: Path) -> list[StateKey]:
    where = f"CAROUSEL_STATE_KEYS_FILE: {file}"
    try:
        lines = file.read_text("utf-8").splitlines()
    except OSError as failure:
        raise InvalidSettings(f"{where}: cannot be read: {failure.strerror}") from None
    except ValueError:
        raise InvalidSettings(f"{where}: is not UTF-8 text") from None
    written = [(number, line.partition("#")[0].strip()) for number, line in enumerate(lines, 1)]
    keys = [_key(text, f"{where}: line {number}") for number, text in written if text]
    if not keys:
        raise InvalidSettings(f"{where}: has no key: expected a line of 64 hex digits at least")
    return keys


def _key(text: str, where: str) -> StateKey:
    if not _KEY.fullmatch(text):
        raise InvalidSettings(f"{where}: expected 64 hex digits, as `openssl rand -hex 32` prints")
    return StateKey(bytes.fromhex(text))
