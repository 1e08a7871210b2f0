"""OpenAPI for sessions over REST."""

from __future__ import annotations

from typing import Any

from service.domain.priority import DEFAULT, HIGHEST, LOWEST
from service.sessions.session import LONGEST_ID, NAMED_BY_A_PATH

RESPONSES: Any = {
    400: {"description": "malformed; names the field"},
    404: {"description": "no such model, version or session"},
    409: {"description": "the session is open already or runs elsewhere, or the step is not the one due"},
    410: {"description": "the session has ended; says why"},
    413: {"description": "the body is too large"},
    415: {"description": "a content type that is not read here"},
    429: {"description": "no room; Retry-After says when to come back"},
    500: {"description": "the engine could not run this step; the session is where it was"},
    503: {
        "description": "loading or draining, or the store of sessions is away; the session is where it was"
    },
    504: {"description": "the deadline passed; the session is where it was"},
}
SESSION: dict[str, Any] = {
    "type": "object",
    "properties": {
        "session": {"type": "string"},
        "rows": {"type": "integer", "minimum": 1},
        "step": {"type": "integer", "minimum": 0, "description": "the last that was answered"},
        "idle_s": {"type": "number", "description": "the time that it may be idle"},
        "expires_in_s": {"type": "number", "description": "when it ends unless it is used, or in any case"},
    },
    "required": ["session", "rows", "step", "idle_s", "expires_in_s"],
}
_STEP: dict[str, Any] = {
    "type": "object",
    "description": "as /predict answers, and which step of the session that was",
    "properties": {
        "session": {"type": "string"},
        "step": {"type": "integer", "minimum": 1},
        "predictions": {"type": "array", "items": {"type": "object"}, "description": "one for each row"},
    },
    "required": ["session", "step", "predictions"],
}


def answered(description: str, schema: dict[str, Any], **further: Any) -> dict[str, Any]:
    """A response in JSON."""
    return {"description": description, "content": {"application/json": {"schema": schema}}, **further}


_LOCATION = {"Location": {"description": "the session's path", "schema": {"type": "string"}}}
OPENED: Any = RESPONSES | {201: answered("the session is open", SESSION, headers=_LOCATION)}
FOUND: Any = RESPONSES | {200: answered("where it stands", SESSION)}
STEPPED: Any = RESPONSES | {200: answered("the answers", _STEP)}
DELETED: Any = RESPONSES | {204: {"description": "the session has ended"}}


def _with_body(required: bool, properties: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}}


_SECONDS = {"type": "number", "exclusiveMinimum": 0, "description": "seconds; at most the server's own"}
_ID = {"type": ["string", "null"], "minLength": 1, "maxLength": LONGEST_ID, "pattern": NAMED_BY_A_PATH}
STEPS = _with_body(
    required=True,
    properties={
        "sequence": {"description": "as for /predict: any number of steps"},
        "sequences": {"type": "array", "items": {}, "description": "one for each row of the session"},
        "step": {
            "type": ["integer", "null"],
            "minimum": 1,
            "description": "counts from 1; a number sent again gets its answer again",
        },
        "timeout_ms": {"type": "number", "exclusiveMinimum": 0},
        "priority": {"type": "integer", "minimum": HIGHEST, "maximum": LOWEST, "default": DEFAULT},
        "include_outputs": {"type": "boolean"},
    },
)


def opens(max_rows: int) -> dict[str, Any]:
    """The body of an opening."""
    rows = {"type": "integer", "minimum": 1, "maximum": max_rows, "default": 1}
    properties = {
        "id": _ID,
        "rows": rows | {"description": "sequences that go on side by side"},
        "idle_s": _SECONDS,
        "ttl_s": _SECONDS,
    }
    return _with_body(required=False, properties=properties)
