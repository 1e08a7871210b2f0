"""The two parts of a request's body: JSON, and behind it the binary tensors it announces."""

from __future__ import annotations

from typing import NamedTuple

from service.api.call import Headers
from service.errors import InvalidRequest

HEADER_LENGTH = b"inference-header-content-length"
# More digits than any body has bytes; Python refuses to read thousands of them.
_MOST_DIGITS = 18


class Body(NamedTuple):
    """`header` is JSON; the bytes behind it start at `offset`. A raw body has no header at all."""

    header: bytes
    whole: bytes
    offset: int

    @property
    def is_raw(self) -> bool:
        return not self.header


def split_body(headers: Headers, body: bytes) -> Body | None:
    """Where the headers say that the JSON ends; None where they do not, and all of it is JSON."""
    announced = headers.get(HEADER_LENGTH)
    if announced is None:
        return None
    if not announced.isdigit() or len(announced) > _MOST_DIGITS:
        raise InvalidRequest("inference-header-content-length: expected a number of bytes")
    length = int(announced)
    if length > len(body):
        raise InvalidRequest(
            f"inference-header-content-length: {length} bytes, the body has {len(body)} in all"
        )
    return Body(body[:length], body, length)
