"""OpenAPI for the v2 inference request: what it says in JSON, and the headers that frame it."""

from __future__ import annotations

from typing import Any

from service.api.examples import infer_example
from service.api.openapi_refusals import session_refusals
from service.repository.served_model import ServedModel
from service.sessions.session import LONGEST_ID

_BYTES = {"type": "string", "format": "binary"}
_FLAG = {"type": "boolean"}
_SHAPE = {"type": "array", "items": {"type": "integer", "minimum": 0}, "maxItems": 16}
_TEXT = (
    "sequence [batch, time, *step], with lengths [batch] where rows differ in length. A tensor travels in "
    "JSON, or as little-endian bytes behind the JSON; then Inference-Header-Content-Length says where the "
    "JSON ends. 0 says that there is none: the body is one sequence's steps, and all outputs come as bytes."
)
_INPUT = {
    "type": "object",
    "required": ["name", "datatype", "shape"],
    "properties": {
        "name": {"type": "string", "enum": ["sequence", "lengths"]},
        "datatype": {"type": "string", "enum": ["FP32", "FP16", "FP64", "INT32", "INT64"]},
        "shape": _SHAPE,
        "data": {"type": "array", "items": {}, "description": "flat or nested, row-major"},
        "parameters": {
            "type": "object",
            "properties": {"binary_data_size": {"type": "integer", "minimum": 0}},
        },
    },
}
_WANTED = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "enum": ["output", "lengths"]},
        "parameters": {"type": "object", "properties": {"binary_data": _FLAG}},
    },
}
_PARAMETERS = {
    "type": "object",
    "properties": {
        "timeout": {"type": "number", "minimum": 0, "description": "microseconds; 0 means none"},
        "priority": {"type": "integer", "minimum": 0, "description": "1 goes first, 9 last, 0 means 5"},
        "sequence_id": {
            "type": ["integer", "string", "null"],
            "maxLength": LONGEST_ID,
            "description": "goes on where the last request of this id ended; 0 or none: the request is alone",
        },
        "sequence_start": _FLAG | {"description": "the first of its id"},
        "sequence_end": _FLAG | {"description": "the last of its id"},
        "binary_data_output": _FLAG | {"description": "outputs as bytes, where they do not say themselves"},
    },
}
_REQUEST = {
    "type": "object",
    "required": ["inputs"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "string", "maxLength": 1024},
        "model_name": {"type": "string", "description": "that of the path, or left out"},
        "parameters": _PARAMETERS,
        "inputs": {"type": "array", "items": _INPUT, "minItems": 1, "maxItems": 2},
        "outputs": {"type": "array", "items": _WANTED, "maxItems": 2},
    },
}
_ANSWER = {
    "type": "object",
    "required": ["model_name", "model_version", "outputs"],
    "properties": {
        "model_name": {"type": "string"},
        "model_version": {"type": "string"},
        "id": {"type": "string"},
        "parameters": {"type": "object"},
        "outputs": {"type": "array", "items": {"type": "object"}},
    },
}


def infer_operation(models: list[ServedModel], refusals: dict[str, Any], has_version: bool) -> dict[str, Any]:
    """POST /v2/models/{model}[/versions/{version}]/infer."""
    examples = {model.manifest.name: {"value": infer_example(model)} for model in models}
    named = ["model", "version"] if has_version else ["model"]
    path = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in named]
    return {
        "tags": ["Predictions"],
        "summary": "Infer (Open Inference Protocol)",
        "description": _TEXT,
        "parameters": [*path, *_headers()],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": _REQUEST, "examples": examples},
                "application/octet-stream": {"schema": _BYTES},
            },
        },
        "responses": {"200": _answer(), **refusals, **session_refusals()},
    }


def _headers() -> list[dict[str, Any]]:
    encodings = {"type": "string", "enum": ["gzip", "deflate", "identity", ""]}
    length = {"type": "integer", "minimum": 0}
    return [
        _header("Inference-Header-Content-Length", length, "bytes of JSON before the tensors, unpacked"),
        _header("Content-Encoding", encodings, "how the request is packed"),
        _header("Accept-Encoding", {"type": "string"}, "how the answer may be packed: gzip, deflate"),
    ]


def _header(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "schema": schema, "description": description}


def _answer() -> dict[str, Any]:
    return {
        "description": "the answer",
        "headers": {
            "Inference-Header-Content-Length": {
                "description": "bytes of JSON, where outputs follow it as bytes",
                "schema": {"type": "integer"},
            }
        },
        "content": {
            "application/json": {"schema": _ANSWER},
            "application/octet-stream": {"schema": _BYTES},
        },
    }
