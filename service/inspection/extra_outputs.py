"""An ONNX file that also gives what lies inside its graph.

In protobuf a message that is there twice is the two merged, their repeated fields one after the other. So
outputs are added by a second, short graph behind the file, and nothing in it is touched.
"""

from __future__ import annotations

from collections.abc import Iterable

# The numbers of ModelProto.graph, GraphProto.output and ValueInfoProto.name, and the wire type of all three.
_GRAPH, _OUTPUT, _NAME, _LENGTH = 7, 12, 1, 2


def with_outputs(content: bytes, names: Iterable[str]) -> bytes:
    """The file with these tensors as further outputs; of what type each is, the runtime finds."""
    outputs = b"".join(_field(_OUTPUT, _field(_NAME, name.encode())) for name in names)
    return content + _field(_GRAPH, outputs)


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | _LENGTH) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*groups, value))
