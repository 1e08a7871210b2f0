"""POST /v2/repository/models/{model}/load and /unload."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from service.api.call import BodyLimits, read_body
from service.api.json_body import parsed_object
from service.api.open_inference.load_parameters import check_unload_parameters, load_policy
from service.errors import InvalidRequest
from service.repository.lifecycle import Lifecycle

# A model's configuration fits; a model sent along does not, and is not taken in any case.
_LIMITS = BodyLimits(max_bytes=1 << 20, timeout_s=5.0)
_RESPONSES: Any = {
    200: {"description": "done; the body is empty"},
    400: {"description": "malformed, or a version that should serve cannot; says why"},
    404: {"description": "there is no such model"},
    413: {"description": "the body is too large"},
    503: {"description": "draining, or too many connections"},
}
_LOAD = {
    "config": {"type": "string", "description": 'JSON: {"version_policy": {"specific": {"versions": [1]}}}'}
}
_UNLOAD = {"unload_dependents": {"type": "boolean", "description": "accepted: no model depends on another"}}


def model_control_routes(lifecycle: Lifecycle) -> APIRouter:
    """Both answer 200 with an empty body."""
    router = APIRouter(prefix="/v2/repository/models/{model}", tags=["Model control"])

    @router.post(
        "/load",
        summary="Load or reload a model",
        response_class=Response,
        responses=_RESPONSES,
        openapi_extra=_body_with(_LOAD),
    )
    async def load(model: str, request: Request) -> Response:
        await lifecycle.load(model, load_policy(model, await _parameters(request)))
        return Response()

    @router.post(
        "/unload",
        summary="Unload a model",
        response_class=Response,
        responses=_RESPONSES,
        openapi_extra=_body_with(_UNLOAD),
    )
    async def unload(model: str, request: Request) -> Response:
        check_unload_parameters(await _parameters(request))
        await lifecycle.unload(model)
        return Response()

    return router


async def _parameters(request: Request) -> dict[str, Any]:
    body = await read_body(dict(request.scope["headers"]), request.receive, _LIMITS)
    parameters = parsed_object(body, frozenset({"parameters"})).get("parameters") if body else None
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise InvalidRequest("parameters: expected an object")
    return parameters


def _body_with(parameters: dict[str, Any]) -> dict[str, Any]:
    named = {"type": ["object", "null"], "properties": parameters, "additionalProperties": False}
    schema = {"type": "object", "properties": {"parameters": named}, "additionalProperties": False}
    return {"requestBody": {"required": False, "content": {"application/json": {"schema": schema}}}}
