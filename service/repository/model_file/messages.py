"""ONNX's messages, read strictly: what the schema does not know, or says once and finds twice, is refused.

A parser that is kinder than the runtime's may see another model than the one that runs. The schema is made
from the onnx package (tests/onnx_tables.py), which a server does not need.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from service.errors import InvalidBundle
from service.repository.model_file.wire import FIXED32, FIXED64, LENGTH, VARINT, Budget, fields, varints

GENERATED = Path(__file__).parent / "generated"

# Protobuf parsers give up at 100; a graph within a graph is three deeper.
_MAX_DEPTH = 64
_MAX_FIELDS = 250_000
_MAX_TEXT_BYTES = 1 << 16

_INT_BITS = {"int32": 32, "int64": 64, "uint64": 64}
_FIXED = {"float": (FIXED32, 4), "double": (FIXED64, 8)}


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    kind: str
    is_repeated: bool


def _schema() -> dict[str, dict[int, _Field]]:
    messages = json.loads((GENERATED / "onnx_schema.json").read_text())
    return {
        message: {int(number): _Field(*described) for number, described in known.items()}
        for message, known in messages.items()
    }


_SCHEMA = _schema()


@dataclass(slots=True)
class Message:
    """A message's fields by name: messages, integers, strings; bytes and floats as views of the file."""

    kind: str
    values: dict[str, list[Any]] = field(default_factory=dict)

    def all(self, name: str) -> list[Any]:
        return self.values.get(name, [])

    def one(self, name: str, default: Any = None) -> Any:
        found = self.values.get(name)
        return found[0] if found else default

    def __contains__(self, name: str) -> bool:
        return name in self.values


def read_model(content: bytes) -> Message:
    """The ModelProto in `content`; raises InvalidBundle where it is none."""
    return _read("ModelProto", memoryview(content), Budget(_MAX_FIELDS), 0)


def _read(kind: str, view: memoryview, budget: Budget, depth: int) -> Message:
    if depth > _MAX_DEPTH:
        raise InvalidBundle(f"{kind}: lies more than {_MAX_DEPTH} messages deep: expected a flatter graph")
    known, message = _SCHEMA[kind], Message(kind)
    for number, wire_type, value in fields(view, budget):
        described = known.get(number)
        if described is None:
            raise InvalidBundle(f"{kind}: has a field {number}, which ONNX does not know")
        found = message.values.setdefault(described.name, [])
        if found and not described.is_repeated:
            raise InvalidBundle(f"{kind}.{described.name}: is given twice: expected once")
        found += _values(kind, described, wire_type, value, budget, depth)
    return message


def _values(
    kind: str, described: _Field, wire_type: int, value: Any, budget: Budget, depth: int
) -> list[Any]:
    where = f"{kind}.{described.name}"
    if described.kind in _INT_BITS:
        return _integers(where, described, wire_type, value, budget)
    if described.kind in _FIXED:
        return [_floats(where, described, wire_type, value)]
    if wire_type != LENGTH:
        raise InvalidBundle(f"{where}: has wire type {wire_type}: expected {LENGTH}")
    if described.kind == "bytes":
        return [value]
    if described.kind == "string":
        return [_text(where, value)]
    return [_read(described.kind, value, budget, depth + 1)]


def _integers(where: str, described: _Field, wire_type: int, value: Any, budget: Budget) -> list[int]:
    if wire_type == VARINT:
        return [_integer(where, described.kind, value)]
    if wire_type == LENGTH and described.is_repeated:
        return [_integer(where, described.kind, number) for number in varints(value, budget)]
    raise InvalidBundle(f"{where}: has wire type {wire_type}: expected a number")


def _integer(where: str, kind: str, value: int) -> int:
    if kind != "uint64" and value >= 1 << 63:
        value -= 1 << 64
    # Protobuf would cut what is too long for 32 bits, and read another number.
    if kind == "int32" and not -(1 << 31) <= value < 1 << 31:
        raise InvalidBundle(f"{where}: is {value}: expected 32 bits")
    return value


def _floats(where: str, described: _Field, wire_type: int, value: Any) -> memoryview:
    one, size = _FIXED[described.kind]
    is_packed = wire_type == LENGTH and described.is_repeated and len(value) % size == 0
    if wire_type != one and not is_packed:
        raise InvalidBundle(f"{where}: expected {described.kind} numbers of {size} bytes")
    view: memoryview = value
    return view


def _text(where: str, value: memoryview) -> str:
    if len(value) > _MAX_TEXT_BYTES:
        raise InvalidBundle(f"{where}: has {len(value):,} bytes: expected {_MAX_TEXT_BYTES:,} at most")
    try:
        text = str(value, "utf-8")
    except UnicodeDecodeError:
        raise InvalidBundle(f"{where}: {bytes(value[:40])!r} is not UTF-8") from None
    if "\0" in text:
        raise InvalidBundle(f"{where}: {text[:40]!r} contains NUL")
    return text
