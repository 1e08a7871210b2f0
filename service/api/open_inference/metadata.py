"""The Open Inference Protocol's questions about the server and its models."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version as package_version
from typing import Any

from fastapi import APIRouter

from service.domain.signature import LENGTHS, OUTPUT, SEQUENCE
from service.domain.tensors import Datatype
from service.errors import Unavailable
from service.repository.readiness import faults
from service.repository.registry import Registry
from service.repository.served_model import ServedModel

_PLATFORM = "onnx_onnxv1"
_ANY = -1


def metadata_routes(registry: Registry, is_ready: Callable[[], bool]) -> APIRouter:
    """GET /v2 and below."""
    router = APIRouter(prefix="/v2", tags=["Open Inference Protocol"])

    @router.get("", summary="What this server is")
    async def server() -> dict[str, Any]:
        return {"name": "carousel", "version": package_version("carousel-serve"), "extensions": []}

    @router.get("/health/live", summary="Whether the process answers")
    async def live() -> dict[str, bool]:
        return {"live": True}

    @router.get("/health/ready", summary="Whether every model answers", responses={503: _UNREADY})
    async def ready() -> dict[str, bool]:
        if not is_ready():
            raise Unavailable("not ready: loading or draining")
        silent = await faults(registry.models)
        if silent:
            raise Unavailable("not ready: " + "; ".join(f"{name} {why}" for name, why in silent.items()))
        return {"ready": True, "degraded": any(model.engines.is_degraded for model in registry.models)}

    @router.get("/models/{model}", summary="A model's inputs and outputs", responses={404: _UNKNOWN})
    @router.get("/models/{model}/versions/{version}", responses={404: _UNKNOWN}, include_in_schema=False)
    async def model_metadata(model: str, version: str | None = None) -> dict[str, Any]:
        return _metadata(registry.find(model, version), registry.versions(model))

    @router.get("/models/{model}/ready", summary="Whether a model can answer", responses={404: _UNKNOWN})
    @router.get("/models/{model}/versions/{version}/ready", include_in_schema=False)
    async def model_ready(model: str, version: str | None = None) -> dict[str, Any]:
        served = registry.find(model, version)
        return {
            "name": model,
            "ready": is_ready(),
            "engine": served.engines.capability.engine,
            "device": served.engines.capability.device,
            "degraded": served.engines.is_degraded,
            "refused_engines": served.refused_engines,
        }

    return router


_UNKNOWN = {"description": "no such model or version"}
_UNREADY = {"description": "loading, draining, or a model that does not answer"}


def _metadata(model: ServedModel, versions: list[str]) -> dict[str, Any]:
    signature = model.signature
    datatype = signature.step_datatype.value
    steps = [_ANY, _ANY] if signature.has_step_outputs else [_ANY]
    outputs = [_tensor(OUTPUT, Datatype.FP32.value, [*steps, *signature.output_shape])]
    if signature.has_step_outputs:
        outputs.append(_tensor(LENGTHS, Datatype.INT32.value, [_ANY]))
    return {
        "name": model.manifest.name,
        "versions": versions,
        "platform": _PLATFORM,
        "inputs": [
            _tensor(SEQUENCE, datatype, [_ANY, _ANY, *signature.step_shape]),
            _tensor(LENGTHS, Datatype.INT32.value, [_ANY]),
        ],
        "outputs": outputs,
    }


def _tensor(name: str, datatype: str, shape: list[int]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape}
