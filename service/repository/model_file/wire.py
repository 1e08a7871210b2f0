"""The protobuf wire format, read without copying: what is long stays where it is in the file.

protobuf's own parser would copy every weight, and make of a file of empty messages many times its size in
memory before anything could be counted. Here each field is counted as it is met; reading stops at the bound.
"""

from __future__ import annotations

from collections.abc import Iterator

from service.errors import InvalidBundle

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
_FIXED_BYTES = {FIXED64: 8, FIXED32: 4}
_VARINT_BITS = 64


class Budget:
    """How many fields and numbers may still be read."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._left = most

    def spend(self, count: int = 1) -> None:
        self._left -= count
        if self._left < 0:
            raise InvalidBundle(f"has more than {self._most:,} fields: expected a model of fewer parts")


def fields(view: memoryview, budget: Budget) -> Iterator[tuple[int, int, int | memoryview]]:
    """Each field's number, wire type and value: a varint's as unsigned, all others as their bytes."""
    at = 0
    while at < len(view):
        budget.spend()
        key, at = varint(view, at)
        number, wire_type = key >> 3, key & 7
        if wire_type == VARINT:
            value, at = varint(view, at)
            yield number, wire_type, value
            continue
        if wire_type == LENGTH:
            length, at = varint(view, at)
        elif wire_type in _FIXED_BYTES:
            length = _FIXED_BYTES[wire_type]
        else:
            raise InvalidBundle(f"is not protobuf: wire type {wire_type}")
        if length > len(view) - at:
            raise InvalidBundle("is not a whole protobuf message: a field ends behind its end")
        yield number, wire_type, view[at : at + length]
        at += length


def varint(view: memoryview, at: int) -> tuple[int, int]:
    """The unsigned number that begins at `at`, and where the next thing begins."""
    value = shift = 0
    while at < len(view) and shift < _VARINT_BITS:
        byte = view[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >> _VARINT_BITS:
                break
            return value, at
        shift += 7
    raise InvalidBundle("is not a whole protobuf message: a number has no end, or more than 64 bits")


def varints(view: memoryview, budget: Budget) -> Iterator[int]:
    """The numbers of a packed field."""
    at = 0
    while at < len(view):
        budget.spend()
        value, at = varint(view, at)
        yield value
