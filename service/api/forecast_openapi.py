"""OpenAPI for forecasts that are fed back."""

from __future__ import annotations

from typing import Any

from service.api.server_sent_events import told_of_events
from service.domain.priority import DEFAULT, HIGHEST, LOWEST
from service.sessions.session import LONGEST_ID

_VALUES = {"type": "array", "items": {}}
_PROPERTIES = {
    "sequence": _VALUES
    | {"description": "the past, as for /predict; may be left out where a session has seen it"},
    "steps": {"type": "integer", "minimum": 1, "description": "how many steps ahead"},
    "future": _VALUES
    | {
        "description": "of every step ahead but the last, what is known in advance; its shape is in the "
        "model's configuration, parameters.feedback"
    },
    "session": {
        "type": ["string", "null"],
        "minLength": 1,
        "maxLength": LONGEST_ID,
        "description": "an open session to go on from; it stays where it is",
    },
    "timeout_ms": {"type": "number", "exclusiveMinimum": 0},
    "priority": {"type": "integer", "minimum": HIGHEST, "maximum": LOWEST, "default": DEFAULT},
}
_SCHEMA = {
    "type": "object",
    "required": ["steps"],
    "properties": _PROPERTIES,
    "additionalProperties": False,
}
BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": _SCHEMA}}}}
_ENDING = {
    "model_name": {"type": "string"},
    "model_version": {"type": "string"},
    "steps": {"type": "integer", "minimum": 1},
    "unit": {"type": "string"},
}
_OUTPUTS = {"outputs": _VALUES | {"description": "[steps, *output]"}}
_PIECE = {"step": {"type": "integer", "minimum": 1}, "output": _VALUES}


def _object(properties: dict[str, Any], *optional: str) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required}


_RESPONSES: Any = {
    400: {"description": "malformed, or no model whose forecasts are fed back; names the field"},
    404: {"description": "no such model or session"},
    409: {"description": "the model was replaced by another meanwhile"},
    410: {"description": "the session has ended; says why"},
    413: {"description": "the body is too large, or the sequence too long"},
    415: {"description": "a content type that is not read here"},
    429: {"description": "no room; Retry-After says when to come back"},
    500: {"description": "the engine could not run a step"},
    503: {"description": "loading or draining"},
    504: {"description": "the deadline passed before all was forecast; timeout_ms moves it"},
}
FORECAST: Any = _RESPONSES | {
    200: {
        "description": "the forecasts",
        "content": {"application/json": {"schema": _object(_ENDING | _OUTPUTS, "unit")}},
    }
}
TOLD: Any = _RESPONSES | {200: told_of_events(_object(_PIECE), _object(_ENDING, "unit"))}
