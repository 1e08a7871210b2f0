"""The key in a request's headers, or in a call's metadata."""

from __future__ import annotations

from collections.abc import Mapping

_BEARER = b"bearer "


def shown_key(headers: Mapping[bytes, bytes]) -> bytes | None:
    """The key of `authorization: Bearer` or else of `x-api-key`; names are in lower case."""
    given = headers.get(b"authorization", b"")
    if given[: len(_BEARER)].lower() == _BEARER:
        return given[len(_BEARER) :].strip()
    return headers.get(b"x-api-key")
