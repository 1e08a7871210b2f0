"""The protocol's messages, built from the compiled proto.

They live in a pool of their own: in protobuf's default one they would clash with a client's of the same
names in the same process. A descriptor set also suits any version of protobuf, unlike generated Python.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from service.errors import InvalidRequest

SERVICE = "inference.GRPCInferenceService"
Message: TypeAlias = Any
_Parsed = TypeVar("_Parsed")

_COMPILED = Path(__file__).parent / "generated" / "open_inference.binpb"


def _pool() -> Any:
    pool = DescriptorPool()
    for file in FileDescriptorSet.FromString(_COMPILED.read_bytes()).file:
        pool.Add(file)
    return pool


POOL = _pool()


def message_class(name: str) -> Any:
    """A message's class by its name in the proto."""
    return GetMessageClass(POOL.FindMessageTypeByName(f"inference.{name}"))


def request_class(method: str) -> Any:
    """The class of what a method of the service takes."""
    return GetMessageClass(POOL.FindServiceByName(SERVICE).methods_by_name[method].input_type)


def parsed(kind: type[_Parsed], body: bytes) -> _Parsed:
    """The message that `body` holds; raises InvalidRequest where it holds none."""
    try:
        message: _Parsed = kind.FromString(body)  # type: ignore[attr-defined]
    except DecodeError:
        raise InvalidRequest(f"body: is not a serialized {kind.__name__}") from None
    return message


ModelInferRequest = message_class("ModelInferRequest")
ModelInferResponse = message_class("ModelInferResponse")
ModelStreamInferResponse = message_class("ModelStreamInferResponse")
