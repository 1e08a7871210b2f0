"""JSON bodies: parsed once, and complained about by field."""

from __future__ import annotations

from typing import Any

import orjson

from service.errors import InvalidRequest


def parsed_object(body: bytes, allowed: frozenset[str]) -> dict[str, Any]:
    """The body as an object with no keys but `allowed`; raises InvalidRequest saying where it breaks."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as failure:
        hint = "; NaN and Infinity are not JSON" if b"NaN" in body or b"Infinity" in body else ""
        raise InvalidRequest(f"body: not valid JSON: {failure}{hint}") from None
    if not isinstance(parsed, dict):
        raise InvalidRequest("body: expected a JSON object")
    if not parsed.keys() <= allowed:
        unknown = ", ".join(sorted(parsed.keys() - allowed))
        raise InvalidRequest(f"body: unknown field {unknown}, known are {', '.join(sorted(allowed))}")
    # Looking for one letter is ten times quicker than for a word, and most bodies have neither.
    if (b"r" in body and b"true" in body) or (b"l" in body and b"false" in body):
        _refuse_booleans_in_lists(parsed)
    return parsed


def _refuse_booleans_in_lists(parsed: dict[str, Any]) -> None:
    """NumPy would take true for 1 among numbers. Without recursion: bodies may be nested deeply."""
    waiting: list[tuple[Any, str, Any]] = [(None, field, value) for field, value in parsed.items()]
    while waiting:
        owner, field, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [(value.get("name"), key, part) for key, part in value.items()]
        elif isinstance(value, list):
            kinds = set(map(type, value))
            if bool in kinds:
                path = f"{owner}.{field}" if isinstance(owner, str) else field
                raise InvalidRequest(f"{path}: expected numbers, got true or false")
            if kinds & {dict, list}:
                waiting += [(owner, field, part) for part in value]


def positive_number(value: Any, field: str) -> float:
    """A finite number above zero; raises InvalidRequest."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise InvalidRequest(f"{field}: expected a number above 0")
    return float(value)


def whole_number(value: Any, field: str, least: int, most: int) -> int:
    """A whole number from `least` to `most`; raises InvalidRequest."""
    if type(value) is not int or not least <= value <= most:
        raise InvalidRequest(f"{field}: expected a whole number from {least} to {most}")
    return value
