"""gzip and deflate, on the way in and on the way out."""

from __future__ import annotations

import asyncio
import functools
import zlib

from service.errors import BodyTooLarge, InvalidRequest, UnsupportedMediaType

# zlib's names for the two formats: what is given with `wbits`.
_FORMATS = {b"gzip": 31, b"deflate": 15}
_FAST = 1
# Less is not worth it: it fits in a packet or two.
_LEAST_BYTES = 1024
# What takes longer than a small batch does is done beside the event loop; zlib lets go of the interpreter.
_MOST_ON_THE_LOOP = 1 << 15
# A thousand times as much may come out of it.
_MOST_PACKED_ON_THE_LOOP = 1 << 11


async def inflated(body: bytes, encoding: bytes, max_bytes: int) -> bytes:
    """The body as it was before `Content-Encoding`; never makes more than `max_bytes` of it.

    Raises BodyTooLarge, InvalidRequest where it is torn, UnsupportedMediaType for an unknown encoding.
    """
    encoding = encoding.strip().lower()
    if encoding in (b"", b"identity"):
        return body
    if encoding not in _FORMATS:
        name = encoding.decode("latin-1")
        raise UnsupportedMediaType(f"content-encoding: got {name}, send gzip, deflate or identity")
    if len(body) > _MOST_PACKED_ON_THE_LOOP:
        return await asyncio.to_thread(_inflate, body, encoding, max_bytes)
    return _inflate(body, encoding, max_bytes)


async def deflated(body: bytes, encoding: bytes) -> bytes:
    """The body in an encoding that `acceptable` named."""
    if len(body) > _MOST_ON_THE_LOOP:
        return await asyncio.to_thread(zlib.compress, body, _FAST, _FORMATS[encoding])
    return zlib.compress(body, _FAST, _FORMATS[encoding])


def is_worth_encoding(body: bytes) -> bool:
    """Whether compressing could save the client anything."""
    return len(body) >= _LEAST_BYTES


@functools.lru_cache(maxsize=256)
def acceptable(accept_encoding: bytes) -> bytes | None:
    """Of gzip and deflate the one the client likes better; None where it names neither."""
    liking: dict[bytes, float] = {}
    for part in accept_encoding.lower().split(b","):
        name, _, weight = part.partition(b";")
        liking[name.strip()] = _weight(weight)
    liked = [name for name in _FORMATS if liking.get(name, 0.0) > 0]
    return max(liked, key=liking.__getitem__) if liked else None


def _weight(parameter: bytes) -> float:
    name, _, value = parameter.strip().partition(b"=")
    if name.strip() != b"q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


def _inflate(body: bytes, encoding: bytes, max_bytes: int) -> bytes:
    name = encoding.decode()
    stream = zlib.decompressobj(_FORMATS[encoding])
    try:
        plain = stream.decompress(body, max_bytes + 1)
    except zlib.error as failure:
        raise InvalidRequest(f"body: is not {name}: {failure}") from None
    if len(plain) > max_bytes:
        raise BodyTooLarge(f"body: more than {max_bytes} bytes once unpacked, at most that many are allowed")
    if not stream.eof:
        raise InvalidRequest(f"body: its {name} ends too early")
    if stream.unused_data:
        raise InvalidRequest(f"body: {len(stream.unused_data)} bytes follow its {name}")
    return plain
