"""GET and POST /v2/logging."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request

from service.api.call import BodyLimits, read_body
from service.api.json_body import parsed_object
from service.api.open_inference.log_settings import NAMES, LogSettings, change_log_settings, log_settings

_LIMITS = BodyLimits(max_bytes=4096, timeout_s=5.0)
_MALFORMED: Any = {
    400: {"description": "malformed, or not to be changed; names the field"},
    413: {"description": "the body is too large"},
}
_SWITCH = {"type": ["boolean", "null"]}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "log_info": _SWITCH,
                        "log_warning": _SWITCH,
                        "log_error": _SWITCH,
                        "log_verbose_level": {
                            "type": ["integer", "null"],
                            "minimum": 0,
                            "maximum": (1 << 32) - 1,
                            "description": "above 0 logs debugging",
                        },
                        "log_file": {"enum": ["", None]},
                        "log_format": {"enum": ["ISO8601", None]},
                    },
                    "additionalProperties": False,
                }
            }
        },
    }
}


def log_routes() -> APIRouter:
    router = APIRouter(prefix="/v2", tags=["Open Inference Protocol"])

    @router.get("/logging", summary="What is logged")
    async def read() -> LogSettings:
        return log_settings()

    @router.post(
        "/logging", summary="Log more or less from now on", responses=_MALFORMED, openapi_extra=_BODY
    )
    async def change(request: Request) -> LogSettings:
        body = await read_body(dict(request.scope["headers"]), request.receive, _LIMITS)
        return change_log_settings(parsed_object(body, NAMES))

    return router
