"""API keys: what is kept of them, and how one that is shown is found."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from service.admission.limits import Limits
from service.admission.roles import Role

# Secret scanners find a leaked key by it.
_PREFIX = "carousel_"
_RANDOM_BYTES = 32


def new_key() -> str:
    """A key of 256 random bits, to be shown once."""
    return _PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)


def digest_of(key: bytes) -> bytes:
    """What is kept of a key.

    One SHA-256 is enough: slow hashes and salts make up for passwords that can be guessed, and nobody
    guesses one of 2^256. It is also quick enough for every request.
    """
    return hashlib.sha256(key).digest()


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A caller's name and rights; `expires_s` is in seconds since 1970, None for never."""

    name: str
    digest: bytes
    role: Role
    limits: Limits
    expires_s: float | None = None


class KeyRing:
    """The keys in force."""

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        self.keys = tuple(keys)

    def find(self, shown: bytes) -> ApiKey | None:
        """The key that was shown; takes the same time whichever it is, and where it is none."""
        digest = digest_of(shown)
        found = None
        for key in self.keys:
            if hmac.compare_digest(key.digest, digest):
                found = key
        return found
