"""The Open Inference Protocol's questions about the server and its models."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from starlette.requests import Request

from service.api.call import BodyLimits, read_body
from service.api.json_body import parsed_object
from service.api.open_inference.model_config import model_config
from service.api.open_inference.model_metadata import model_metadata, server_metadata
from service.api.open_inference.model_statistics import model_statistics
from service.api.open_inference.repository_index import repository_index
from service.errors import InvalidRequest, Unavailable
from service.repository.readiness import faults
from service.repository.registry import Registry
from service.repository.served_model import ServedModel

_Answer: TypeAlias = Callable[[str, str | None], Awaitable[Any]]
"""From a model and a version, None for the latest, to what is told."""

_UNKNOWN: Any = {404: {"description": "no such model or version"}}
_UNREADY: Any = {503: {"description": "loading, draining, or a model that does not answer"}}
_MALFORMED: Any = {
    400: {"description": "malformed; names the field"},
    413: {"description": "the body is too large"},
}
_INDEX_LIMITS = BodyLimits(max_bytes=4096, timeout_s=5.0)
_INDEX_BODY = {
    "requestBody": {
        "required": False,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {"ready": {"type": "boolean", "description": "only versions that are"}},
                    "additionalProperties": False,
                }
            }
        },
    }
}


def metadata_routes(registry: Registry, is_ready: Callable[[], bool], max_rows: int) -> APIRouter:
    """GET /v2 and below; `max_rows` is the most rows of one request."""
    router = APIRouter(prefix="/v2", tags=["Open Inference Protocol"])
    _add_server_routes(router, registry, is_ready)
    _add_extension_routes(router, registry, is_ready, max_rows)
    _add_model_routes(router, registry, is_ready)
    return router


def _add_server_routes(router: APIRouter, registry: Registry, is_ready: Callable[[], bool]) -> None:
    @router.get("", summary="What this server is")
    async def server() -> dict[str, Any]:
        return server_metadata()

    @router.get("/health/live", summary="Whether the process answers")
    async def live() -> dict[str, bool]:
        return {"live": True}

    @router.get("/health/ready", summary="Whether every model answers", responses=_UNREADY)
    async def ready() -> dict[str, bool]:
        if not is_ready():
            raise Unavailable("not ready: loading or draining")
        silent = await faults(registry.models)
        if silent:
            raise Unavailable("not ready: " + "; ".join(f"{name} {why}" for name, why in silent.items()))
        return {"ready": True, "degraded": any(model.engines.is_degraded for model in registry.models)}


def _add_model_routes(router: APIRouter, registry: Registry, is_ready: Callable[[], bool]) -> None:
    async def metadata(model: str, version: str | None) -> dict[str, Any]:
        served = registry.find(model, version)
        return model_metadata(model, registry.versions(model), served.signature)

    async def model_ready(model: str, version: str | None) -> JSONResponse:
        served = registry.find(model, version)
        fault = await _fault(served, is_ready())
        told = _engines(served) | {"ready": fault is None} | ({"error": fault} if fault else {})
        return JSONResponse(told, 503 if fault else 200)

    _add_question(router, "", "A model's inputs and outputs", metadata)
    _add_question(router, "/ready", "Whether a model can answer", model_ready, _UNREADY)


def _add_question(
    router: APIRouter, suffix: str, summary: str, answer: _Answer, responses: dict[int | str, Any] = _UNKNOWN
) -> None:
    """A question about a model, with and without a version in its path.

    Two functions, since FastAPI takes an argument that is not in the path for one of the query.
    """

    @router.get(f"/models/{{model}}{suffix}", summary=summary, responses=_UNKNOWN | responses)
    async def of_the_latest(model: str) -> Any:
        return await answer(model, None)

    @router.get(
        f"/models/{{model}}/versions/{{version}}{suffix}",
        summary=f"{summary}, of one version",
        responses=_UNKNOWN | responses,
    )
    async def of_a_version(model: str, version: str) -> Any:
        return await answer(model, version)


def _add_extension_routes(
    router: APIRouter, registry: Registry, is_ready: Callable[[], bool], max_rows: int
) -> None:
    # Where the protocol has it; a model that is called "stats" is described by its version's path.
    @router.get("/models/stats", summary="Counts and times of every model version")
    async def all_statistics() -> dict[str, Any]:
        return {"model_stats": [model_statistics(model) for model in registry.models]}

    async def statistics(model: str, version: str | None) -> dict[str, Any]:
        return {"model_stats": [model_statistics(registry.find(model, version))]}

    async def config(model: str, version: str | None) -> dict[str, Any]:
        return model_config(registry.find(model, version), registry.policy(model), max_rows)

    _add_question(router, "/stats", "A model's counts and times", statistics)
    _add_question(router, "/config", "A model's configuration", config)

    @router.post(
        "/repository/index",
        summary="Every model version and its state",
        responses=_MALFORMED,
        openapi_extra=_INDEX_BODY,
    )
    async def index(request: Request) -> list[dict[str, str]]:
        return repository_index(registry, is_ready(), await _wants_only_ready(request))


async def _wants_only_ready(request: Request) -> bool:
    body = await read_body(dict(request.scope["headers"]), request.receive, _INDEX_LIMITS)
    wanted = parsed_object(body, frozenset({"ready"})).get("ready", False) if body else False
    if not isinstance(wanted, bool):
        raise InvalidRequest("ready: expected true or false")
    return wanted


async def _fault(model: ServedModel, is_server_ready: bool) -> str | None:
    if not is_server_ready:
        return "not ready: loading or draining"
    silent = await faults([model])
    return "; ".join(f"not ready: {name} {why}" for name, why in silent.items()) or None


def _engines(model: ServedModel) -> dict[str, Any]:
    return {
        "name": model.manifest.name,
        "engine": model.engines.capability.engine,
        "device": model.engines.capability.device,
        "degraded": model.engines.is_degraded,
        "refused_engines": model.refused_engines,
    }
