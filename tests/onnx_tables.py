"""`python tests/onnx_tables.py`: what the server knows of ONNX, anew from onnx and onnxruntime."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from onnxruntime.capi.onnxruntime_pybind11_state import get_all_operator_schema, get_all_opkernel_def

GENERATED = Path(__file__).parents[1] / "service/repository/model_file/generated"

# Decodes pictures, with a library of its own.
_NOT_FOR_SEQUENCES = {"ImageDecoder"}
_KINDS = {
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_ENUM: "int32",
    FieldDescriptor.TYPE_INT64: "int64",
    FieldDescriptor.TYPE_UINT64: "uint64",
    FieldDescriptor.TYPE_FLOAT: "float",
    FieldDescriptor.TYPE_DOUBLE: "double",
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_BYTES: "bytes",
}


def schema() -> dict[str, dict[str, list[Any]]]:
    """Every message below ModelProto: field numbers with name, kind and whether it repeats."""
    found: dict[str, dict[str, list[Any]]] = {}
    _add(onnx.ModelProto.DESCRIPTOR, found)
    return dict(sorted(found.items()))


def _add(message: Descriptor, found: dict[str, dict[str, list[Any]]]) -> None:
    fields = found.setdefault(_title(message), {})
    for field in message.fields:
        kind = _KINDS.get(field.type) or _title(field.message_type)
        fields[str(field.number)] = [field.name, kind, field.is_repeated]
        if field.message_type and kind not in found:
            _add(field.message_type, found)


def _title(message: Descriptor) -> str:
    return message.full_name.removeprefix("onnx.")


def operators() -> dict[str, Any]:
    """ONNX's own operators that ONNX Runtime runs on a CPU: the opset they begin with, and where they end."""
    runtime = {schema.name for schema in get_all_operator_schema() if schema.domain == ""}
    kernels = {kernel.op_name for kernel in get_all_opkernel_def() if kernel.domain == ""} | {"Constant"}
    known: dict[str, list[int | None]] = {}
    for one in sorted(
        onnx.defs.get_all_schemas_with_history(), key=lambda one: (one.name, one.since_version)
    ):
        is_run = one.name in kernels or one.has_function or one.has_context_dependent_function
        if one.domain or one.name not in runtime or one.name in _NOT_FOR_SEQUENCES:
            continue
        if one.deprecated:
            known.get(one.name, [None, None])[1] = one.since_version
        elif is_run:
            known.setdefault(one.name, [one.since_version, None])
    return {
        "onnx": onnx.__version__,
        "onnxruntime": onnxruntime.__version__,
        "opset": min(onnx.defs.onnx_opset_version(), _newest_of_runtime()),
        "ir_version": int(onnx.IR_VERSION),
        "operators": known,
    }


def _newest_of_runtime() -> int:
    return max(schema.since_version for schema in get_all_operator_schema() if schema.domain == "")


def write(name: str, table: dict[str, Any]) -> None:
    """One line for each message and operator, so that a change can be read."""
    lines = json.dumps(table, indent=1)
    flat = re.sub(
        r"\[[^][]*\]",
        lambda found: re.sub(r"\s+", " ", found[0]).replace("[ ", "[").replace(" ]", "]"),
        lines,
    )
    (GENERATED / name).write_text(flat + "\n")


if __name__ == "__main__":
    write("onnx_schema.json", schema())
    write("operators.json", operators())
